# SPDX-License-Identifier: BSD-3-Clause
"""./run makes a machine ready once, says so, leaves nothing half-done and hands its words on.

The machine is played by a folder of small programs that write down how they were called.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.clocks import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent

# Plays python3, and from then on the environment's python.
PYTHON = r"""#!/bin/sh
case "$1 $2" in
"-m venv")
    echo "venv $3" >>"$CALLS"
    for folder; do :; done
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    ;;
"-m pip")
    shift 2
    case "$*" in --version) exit 0 ;; esac
    echo "pip $*" >>"$CALLS"
    echo "pip speaks"
    case "$*" in
    *$FAIL*) exit 1 ;;
    *--editable*)
        printf '#!/bin/sh\nprintf "<%%s>" "$@"\n' >"$(dirname "$0")/dredkit"
        chmod +x "$(dirname "$0")/dredkit"
        ;;
    esac
    ;;
"-m pytest") echo "$PWD: $*" ;;
"-c "*) exit 0 ;;
esac
"""
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$CALLS"
case "$*" in
*install*) touch "$TOOLS/arm-cc" "$TOOLS/lint"; chmod +x "$TOOLS/arm-cc" "$TOOLS/lint" ;;
esac
"""
TOOLS = """# kind name probe minimum purpose
apt gcc-arm arm-cc 1.0 a test
apt headers /no/such/file,/bin/s[h] - a test
dev linter lint 1.0 a test
opt other other - a test
pip numpy - 2.0 a test
"""


class Machine:
    """A checkout of `run` alone, and a PATH in which only what it may use exists."""

    def __init__(self, folder: Path, root_user: bool = True) -> None:
        self.tools = folder / "bin"
        self.calls_file = folder / "calls"
        self.checkout = folder / "a check out"
        self.venv = self.checkout / ".venv"
        self.fail = "nothing at all"
        data = self.checkout / "toolkit" / "data"
        data.mkdir(parents=True)
        self.tools.mkdir()
        (data / "tools.txt").write_text(TOOLS)
        (self.checkout / "requirements.lock").write_text("torch==1+cpu ; marker\nclick==1\n")
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        shutil.copy(ROOT / "run", self.checkout / "run")
        for name in ("sh", "cat", "cmp", "cp", "date", "dirname", "grep", "head", "mkdir", "mv",
                     "rm", "tr", "touch", "chmod", "flock"):  # fmt: skip
            found = shutil.which(name)
            if found:
                (self.tools / name).symlink_to(found)
        self.program("python3", PYTHON)
        self.program("apt-get", APT_GET)
        self.program("id", f"#!/bin/sh\necho {0 if root_user else 1000}\n")
        self.program("arm-cc", "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def run(self, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        self.calls_file.write_text("")
        environment = {
            "PATH": str(self.tools),
            "CALLS": str(self.calls_file),
            "TOOLS": str(self.tools),
            "FAIL": self.fail,
        }
        return subprocess.run(
            [self.checkout / "run", *words],
            cwd=cwd or self.checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    @property
    def calls(self) -> list[str]:
        """What the last run called, without the options that all pip calls share."""
        text = self.calls_file.read_text()
        return text.replace("--disable-pip-version-check install --no-deps ", "").splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_bare_machine_is_made_ready_and_the_words_are_handed_on(machine: Machine) -> None:
    result = machine.run("verify", "--audio", "my speech.wav", "")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "<verify><--audio><my speech.wav><>"
    assert "run: ready after" in result.stderr
    lock = machine.venv / "torch.lock"
    assert lock.read_text() == "torch==1+cpu ; marker\n"
    assert machine.calls == [
        "venv --clear",
        f"pip -r {lock}",
        f"pip --quiet -r {machine.checkout}/requirements.lock",
        f"pip --no-build-isolation --quiet --editable {machine.checkout}",
    ]


def test_the_second_start_calls_nothing_and_says_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.run("doctor")
    result = machine.run("doctor", "--json", "-", cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("<doctor><--json><->", "")
    assert machine.calls == []


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_updates_the_environment_in_place(machine: Machine, file: str) -> None:
    machine.run("doctor")
    with (machine.checkout / file).open("a") as stream:
        stream.write("# another version\n")
    machine.run("doctor")
    assert len(machine.calls) == 3
    assert all(call.startswith("pip") for call in machine.calls)
    machine.run("doctor")
    assert machine.calls == []


@pytest.mark.parametrize("step", ["torch.lock", "requirements.lock", "--editable"])
def test_an_interrupted_install_is_not_taken_for_a_finished_one(
    machine: Machine, step: str
) -> None:
    machine.fail = step
    if step == "torch.lock":
        machine.fail = "-r"
    result = machine.run("doctor")
    assert result.returncode == 2
    assert result.stdout == ""
    assert not (machine.venv / "ready").exists()
    machine.fail = "nothing at all"
    assert machine.run("doctor").returncode == 0
    assert machine.calls[0] == "venv --clear"


def test_a_moved_checkout_is_made_ready_anew(machine: Machine, tmp_path: Path) -> None:
    machine.run("doctor")
    machine.checkout = machine.checkout.rename(tmp_path / "elsewhere")
    assert machine.run("doctor").returncode == 0
    assert machine.calls[0] == "venv --clear"


def test_torch_comes_from_its_own_index_only_if_the_configured_one_lacks_it(
    machine: Machine,
) -> None:
    index = "https://download.pytorch.org/whl/cpu"
    machine.program("python3", PYTHON.replace("*$FAIL*)", '"-"*"install --no-deps -r"*torch.lock)'))
    result = machine.run("doctor")
    assert result.returncode == 0
    lock = machine.venv / "torch.lock"
    assert machine.calls[1:3] == [f"pip -r {lock}", f"pip --index-url {index} -r {lock}"]
    assert f"asking {index}" in result.stderr


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    (machine.tools / "arm-cc").unlink()
    assert machine.run("demo").returncode == 0
    apt = [call for call in machine.calls if call.startswith("apt-get")]
    assert apt[0] == "apt-get -q update"
    assert apt[1].endswith("--no-install-recommends install gcc-arm")
    assert len(apt) == 2


@pytest.mark.parametrize("word", ["test", "check"])
def test_tests_and_linters_also_get_the_linters(machine: Machine, word: str) -> None:
    machine.run(word)
    assert any(call.endswith("install linter") for call in machine.calls)


def test_a_failing_apt_ends_it(machine: Machine) -> None:
    (machine.tools / "arm-cc").unlink()
    machine.program("apt-get", "#!/bin/sh\nexit 100\n")
    result = machine.run("demo")
    assert result.returncode == 2
    assert "apt-get failed" in result.stderr
    assert not machine.venv.exists()


def test_without_root_the_one_command_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root_user=False)
    (machine.tools / "arm-cc").unlink()
    result = machine.run("test")
    assert result.returncode == 2
    assert result.stdout == ""
    wanted = "apt-get install -y --no-install-recommends gcc-arm linter"
    assert [line.strip() for line in result.stderr.splitlines() if "apt-get" in line] == [wanted]
    assert machine.calls == []


def test_without_root_the_doctor_still_speaks(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root_user=False)
    (machine.tools / "arm-cc").unlink()
    result = machine.run("doctor")
    assert result.stdout == "<doctor>"
    assert "apt-get install -y --no-install-recommends gcc-arm" in result.stderr


def test_without_root_and_complete_nothing_is_asked(tmp_path: Path) -> None:
    assert Machine(tmp_path, root_user=False).run("demo").stdout == "<demo>"


def test_pytest_runs_in_the_checkout(machine: Machine, tmp_path: Path) -> None:
    result = machine.run("test", "-k", "one thing", cwd=tmp_path)
    assert result.stdout == f"{machine.checkout}: -m pytest -n 2 --dist loadfile -k one thing\n"


@pytest.mark.skipif(not (ROOT / ".venv" / "ready").exists(), reason="./run did not make this venv")
def test_this_checkout_starts_without_a_word(tmp_path: Path) -> None:
    for _ in range(2):  # the first settles what changed since ./run was last called, if anything
        result = subprocess.run(
            [ROOT / "run", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert result.returncode == 0
    assert result.stdout.startswith("dredkit, version ")
    assert result.stderr == ""


def test_ci_runs_exactly_the_tests() -> None:
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert commands == ['exec "$(dirname "$0")/../run" test']
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
