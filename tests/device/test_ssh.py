# SPDX-License-Identifier: BSD-3-Clause
"""A server on another machine through ssh: a stand-in for ssh that stays here, and a real one."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.fixtures.ports import unused_port
from tests.support.fixtures.toy_board import build_board, inputs
from tests.support.fixtures.toy_sessions import begin, check
from tests.support.small_models import small_model
from toolkit.common.errors import DredkitError, InputError, LinkError, ToolError
from toolkit.device.boards.ssh import RemoteServer, check_place
from toolkit.device.link.transport import PortLost
from toolkit.device.pipeline import Firmware, check_line, connected
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target

# Runs the command, its last word, on this machine. SSH_SAYS are the last words of a failing ssh.
STAND_IN = """#!/bin/sh
echo "$*" >>"$SSH_CALLS"
if [ -n "$SSH_SAYS" ]; then
    printf '%s\\n' "$SSH_SAYS" >&2
    exit 255
fi
for command; do :; done
echo "Welcome to a shell that says more than it was asked"
exec sh -c "$command"
"""
SERVER = "#!/bin/sh\n[ $# -eq 0 ] && exit 2\n"  # the beginning of a program that is accepted
PLACE = "ssh://pi@board"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(tmp_path_factory.mktemp("board") / "board")


class Machine:
    """The other machine: its folder for temporary files, and what ssh was called with."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "a folder"
        self.calls_file = folder / "calls"
        self.temporary.mkdir()

    @property
    def calls(self) -> list[str]:
        text = self.calls_file.read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line.startswith("-T ")]

    def is_clean(self) -> bool:
        return not list(self.temporary.iterdir())


def put_first(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `ssh` a script in a folder that comes first in PATH."""
    folder.mkdir()
    (folder / "ssh").write_text(text, encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path)
    put_first(tmp_path / "bin", STAND_IN, monkeypatch)
    monkeypatch.setenv("SSH_CALLS", str(found.calls_file))
    monkeypatch.setenv("SSH_SAYS", "")
    monkeypatch.setenv("TMPDIR", str(found.temporary))
    return found


def script(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(SERVER + text, encoding="utf-8")
    return path


def read_to_the_end(remote: RemoteServer) -> None:
    while True:
        remote.read(PATIENCE_S)


def test_steps_run_there_and_nothing_stays(program: Path, machine: Machine) -> None:
    steps = inputs(20)
    with RemoteServer(program, "ssh://pi@board:2222") as remote:
        session = begin(remote)
        assert not machine.is_clean()
        check(list(session.run_steps(steps)), steps, trace=False)
    assert machine.is_clean()
    assert len(machine.calls) == 2
    for call in machine.calls:
        assert " -oBatchMode=yes " in call
        assert " -p2222 pi@board sh -c " in call
    remote.close()


def test_user_and_port_are_left_to_ssh(program: Path, machine: Machine) -> None:
    with RemoteServer(program, "SSH://board/") as remote:
        begin(remote)
    assert all(" -p" not in call and " board sh -c " in call for call in machine.calls)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ssh: Could not resolve hostname board: No such host", "ssh: Could not resolve hostname"),
        ("pi@board: Permission denied (publickey).", "denied (publickey); let it in without a"),
        ("a warning\nHost key verification failed.", "failed; log in by hand once, to accept"),
        (" ", "ssh ended with exit status 255"),
    ],
)
def test_why_ssh_failed_is_told_in_one_line(
    program: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    monkeypatch.setenv("SSH_SAYS", said)
    with pytest.raises(LinkError) as caught:
        RemoteServer(program, PLACE)
    line = str(caught.value)
    assert line.startswith(f"{PLACE}: ")
    assert told in line
    assert "\n" not in line
    assert len(machine.calls) == 1


def test_a_program_for_another_machine_is_told(tmp_path: Path, machine: Machine) -> None:
    alien = tmp_path / "alien"
    alien.write_bytes(b"\x7fELF" + bytes(100))
    with pytest.raises(LinkError, match=rf"^{PLACE}: this machine \(.+\) cannot run the program"):
        RemoteServer(alien, PLACE)
    assert machine.is_clean()


def test_no_room_there_is_told(
    program: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(machine.temporary / "none"))
    with pytest.raises(LinkError, match=r"mktemp: .*No such file"):
        RemoteServer(program, PLACE)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("kill -ILL $$", "lacks an instruction of the program"),
        ("echo a library is missing >&2; exit 7", "a library is missing"),
        ("exit 7", "the program there ended with exit status 7"),
    ],
)
def test_why_the_program_ended_is_told(
    tmp_path: Path, machine: Machine, end: str, told: str
) -> None:
    with RemoteServer(script(tmp_path, end), PLACE) as remote:
        with pytest.raises(PortLost) as caught:
            read_to_the_end(remote)
        assert str(caught.value).startswith(f"{PLACE}: ")
        assert told in str(caught.value)
    assert machine.is_clean()


def test_what_a_broken_connection_leaves_is_removed(program: Path, machine: Machine) -> None:
    with RemoteServer(program, PLACE) as remote:
        begin(remote)
        remote.kill()
    assert machine.is_clean()
    assert "rm -rf" in machine.calls[-1]


@pytest.mark.parametrize(
    "url",
    [
        "ssh://", "ssh://pi@", "ssh://pi@board:x", "ssh://pi@board:99999", "ssh://-oProxyCommand=x",
        "ssh://-x@board", "ssh://pi@board/folder", "ssh://pi:secret@board", "ssh://a b", "ssh://$(x)",
    ],
)  # fmt: skip
def test_a_place_of_another_form_is_refused(machine: Machine, url: str) -> None:
    with pytest.raises(InputError, match="want ssh://USER@HOST or ssh://USER@HOST:PORT"):
        check_line(url, "socket")
    assert not machine.calls_file.exists()


@pytest.mark.parametrize("url", ["ssh://board", "ssh://pi@10.0.0.2:22", "ssh://pi@[fe80::1]"])
def test_a_place_is_understood(machine: Machine, url: str) -> None:
    assert check_place(url).host in ("board", "10.0.0.2", "fe80::1")
    check_line(url, "socket")


def test_without_ssh_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="apt-get install openssh-client"):
        check_line(PLACE, "socket")


def test_a_board_without_linux_is_refused(machine: Machine) -> None:
    made = Firmware(load_target("netduinoplus2"), stage_of(small_model()), {}, None, None)
    with (
        pytest.raises(InputError, match="netduinoplus2 is a board without Linux"),
        connected(made, port=PLACE, serial="socket"),
    ):
        pass
    with pytest.raises(InputError, match="netduinoplus2 is a board without Linux"):
        check_line(PLACE, "socket", made.target)


@contextmanager
def daemon(folder: Path) -> Iterator[int]:
    """Run sshd on a port of this machine, with keys of its own; yield the port."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd here")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user.pub", folder / "allowed")
    with unused_port() as port:
        yield from _served(program, folder, port)


def _served(program: str, folder: Path, port: int) -> Iterator[int]:
    options = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "UsePAM": "no",
        "AuthorizedKeysFile": folder / "allowed", "StrictModes": "no", "PidFile": "none",
        "PermitRootLogin": "prohibit-password",
    }  # fmt: skip
    config = folder / "config"
    config.write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    running = subprocess.Popen([program, "-D", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        running.terminate()
        running.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="sshd needs root here")
def test_a_real_ssh(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("ssh")
    if real is None:
        pytest.skip("no ssh here")
    with daemon(tmp_path) as port:
        options = f"-i '{tmp_path}/user' -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null"
        text = f'#!/bin/sh\nexec "{real}" -F none {options} -oConnectionAttempts=20 "$@"\n'
        put_first(tmp_path / "bin", text, monkeypatch)
        before = set(Path("/tmp").glob("dredkit-*"))
        steps = inputs(20)
        place = f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
        with RemoteServer(program, place) as remote:
            check(list(begin(remote).run_steps(steps)), steps, trace=False)
        ended = remote.alive()
        left = {path for path in set(Path("/tmp").glob("dredkit-*")) - before if path.is_dir()}
        assert not [path for path in left if (path / "server").exists()]
        assert not ended
        for wrong in (f"ssh://nobody-of-this-name@127.0.0.1:{port}", "ssh://no.such.host.invalid"):
            with pytest.raises(DredkitError) as caught:
                RemoteServer(program, wrong)
            assert "\n" not in str(caught.value)
