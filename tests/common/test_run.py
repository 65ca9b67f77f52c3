# SPDX-License-Identifier: BSD-3-Clause
"""./run prepares a machine once, says so, leaves nothing half-done and passes its words on.

A folder of small programs plays the machine; they write down how they were called.
"""

import contextlib
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.fixtures.clocks import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

# Plays python3, and later also the environment's python.
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
    $FAIL) exit 1 ;;
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
LANG=en
for word; do
    case $skip$word in
    -o) skip=yes ;;
    yes*) skip= ;;
    -q | -y | --no-install-recommends) ;;
    *) words="$words $word" ;;
    esac
done
echo "apt-get$words" >>"$CALLS"
case "$words" in
" install "*)
    for tool in cc arm-cc arm-ld lint aarch64-cc aarch64-run; do
        echo "#!/bin/sh" >"$TOOLS/$tool"
        chmod +x "$TOOLS/$tool"
    done
    ;;
" download "*) echo "a package" >gcc-arm.deb ;;
esac
"""
# Plays dpkg-deb and tar in one: the package holds only a compiler.
TAR = """#!/bin/sh
echo "tar" >>"$CALLS"
mkdir -p "$3/usr/bin" "$3/usr/lib/arm-none-eabi"
printf '#!/bin/sh\n' >"$3/usr/bin/arm-none-eabi-gcc"
chmod +x "$3/usr/bin/arm-none-eabi-gcc"
"""
TOOLS = """# kind name probe minimum purpose
apt gcc cc 1.0 a test
apt headers /no/such/file,/bin/s[h] - a test
arm gcc-arm arm-cc 1.0 a test
arm binutils-arm arm-ld 1.0 a test
a64 gcc-aarch64 aarch64-cc 1.0 a test
usr qemu-user aarch64-run 1.0 a test
dev linter lint 1.0 a test
opt other other - a test
pip numpy - 2.0 a test
else gcc fedora-gcc brew-gcc arch-gcc
else gcc-arm fedora-arm,fedora-newlib - arch-arm
"""
LOCK = """# written
# [base]
click==1
# [call]
dask==1
# [export]
litert==1
# [train]
torch==1+cpu ; marker
sympy==1
# [test]
pytest==1
"""
HELP = """== dredkit
the commands
== dredkit train
training
== dredkit train data
speech
== dredkit verify
verifying
"""
NO_FAULT = "nothing at all"


class Machine:
    """A checkout with only `run`, and a PATH with only the programs that it may use."""

    def __init__(self, folder: Path, root_user: bool = True) -> None:
        self.tools = folder / "bin"
        self.calls_file = folder / "calls"
        self.checkout = folder / "a check out"
        self.venv = self.checkout / ".venv"
        self.fail = NO_FAULT
        data = self.checkout / "toolkit" / "data"
        data.mkdir(parents=True)
        self.tools.mkdir()
        (data / "tools.txt").write_text(TOOLS)
        (data / "help.txt").write_text(HELP)
        (self.checkout / "requirements.lock").write_text(LOCK)
        (self.checkout / "targets").mkdir()
        (self.checkout / "targets" / "virt-a53.toml").write_text('prefix = "aarch64-linux-gnu-"\n')
        (self.checkout / "targets" / "linux-a53.toml").write_text(
            'prefix = "aarch64-linux-gnu-"\n[runner]\nprogram = "qemu-aarch64"\n'
        )
        (self.checkout / "targets" / "virt-a7.toml").write_text('prefix = "arm-none-eabi-"\n')
        (data / "cores.toml").write_text(
            '[cortex-m4]\nprefix = "arm-none-eabi-"\n[cortex-a53]\nprefix = "aarch64-linux-gnu-"\n'
        )
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        shutil.copy(ROOT / "run", self.checkout / "run")
        for name in ("sh", "cat", "cmp", "cp", "date", "dirname", "grep", "head", "mkdir", "mv",
                     "rm", "tr", "touch", "chmod", "flock", "sed", "sort", "tail", "sleep",
                     "ln", "readlink"):  # fmt: skip
            found = shutil.which(name)
            if found:
                (self.tools / name).symlink_to(found)
        self.program("python3", PYTHON)
        self.program("apt-get", APT_GET)
        self.program("dpkg-deb", "#!/bin/sh\n")
        self.program("tar", TAR)
        self.program("id", f"#!/bin/sh\necho {0 if root_user else 1000}\n")
        for name in ("cc", "arm-cc", "arm-ld", "aarch64-cc", "aarch64-run"):
            self.program(name, "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def lack(self, *names: str) -> None:
        """Remove programs."""
        for name in names:
            (self.tools / name).unlink()

    def run(
        self,
        *words: str,
        cwd: Path | None = None,
        by: Path | None = None,
        told_to: int = subprocess.PIPE,
    ) -> "subprocess.CompletedProcess[str]":
        self.calls_file.write_text("")
        environment = {
            "PATH": str(self.tools),
            "CALLS": str(self.calls_file),
            "TOOLS": str(self.tools),
            "FAIL": self.fail,
        }
        return subprocess.run(
            [by or self.checkout / "run", *words],
            cwd=cwd or self.checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=told_to,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    @property
    def calls(self) -> list[str]:
        """Return what the last run called, without the options that all pip calls share."""
        text = self.calls_file.read_text()
        shared = (
            "--disable-pip-version-check install --no-deps --no-compile --only-binary=:all: ",
            f"{self.venv}/",
            f" {self.checkout}",
        )
        for words in shared:
            text = text.replace(words, "")
        return text.splitlines()

    @property
    def log_folder(self) -> Path:
        return self.checkout / "build" / "setup"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


EDITABLE = "--no-build-isolation --config-settings editable_mode=compat --editable"
BASE = ["venv --clear", "pip -r base.lock", f"pip {EDITABLE}"]


def test_a_bare_machine_is_made_ready_and_the_words_are_handed_on(machine: Machine) -> None:
    result = machine.run("verify", "--audio", "my speech.wav", "")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "<verify><--audio><my speech.wav><>"
    assert "run: ready after" in result.stderr
    assert machine.calls == BASE
    assert (machine.venv / "base.lock").read_text() == "click==1\n"


def test_without_apt_a_command_may_have_another_name(machine: Machine) -> None:
    tools = machine.checkout / "toolkit" / "data" / "tools.txt"
    tools.write_text(TOOLS.replace("apt gcc cc 1.0", "apt gcc none-cc,other-cc,cc 1.0"))
    machine.lack("apt-get")
    machine.program("dnf", "#!/bin/sh\n")
    assert machine.run("doctor").returncode == 0
    machine.lack("cc")
    result = machine.run("verify")
    assert result.returncode == 2
    assert "dnf install fedora-gcc" in result.stderr


ENV = """#!/bin/sh
echo "env $*" >>"$CALLS"
shift
exec "$@"
"""


def test_dredkit_is_started_with_ctrl_c_held_back_where_env_can(machine: Machine) -> None:
    machine.program("env", ENV)
    machine.program("true", "#!/bin/sh\n")
    assert machine.run("targets", "a b").stdout == "<targets><a b>"
    assert machine.calls[-1] == "env --block-signal=INT bin/dredkit targets a b"
    machine.program("env", "#!/bin/sh\nexit 125\n")  # as BusyBox's, or macOS's
    assert machine.run("targets", "a b").stdout == "<targets><a b>"


def test_the_terminal_is_told_little_and_the_log_all(machine: Machine) -> None:
    result = machine.run("doctor")
    assert len(result.stderr.splitlines()) == 3
    assert str(machine.log_folder) in result.stderr
    assert "pip speaks" not in result.stderr
    assert "pip speaks" in (machine.log_folder / "python.log").read_text()


CALL, PROBE = "pip -r call.lock", "pip -r probe.lock"
TRAIN = ["pip -r torch.lock", "pip -r train.lock"]


@pytest.mark.parametrize(
    ("words", "added"),
    [
        ("train lpcnet", TRAIN),
        ("score", TRAIN),
        ("import their.pth --output x", TRAIN),
        ("setup train", TRAIN),
        ("import opus/dnn --output x", []),
        ("export", ["pip -r export.lock"]),
        ("setup export train", ["pip -r export.lock", *TRAIN]),
        ("demo", []),
        ("doctor", []),
        ("quantize", []),
        ("call", []),
        ("call --table", [CALL]),
        ("setup call", [CALL]),
        ("setup probe", [PROBE]),
        ("test", [CALL, PROBE, "pip -r export.lock", *TRAIN, "pip -r test.lock"]),
        ("check", [CALL, PROBE, "pip -r export.lock", *TRAIN, "pip -r test.lock"]),
    ],
)
def test_a_set_comes_with_the_commands_that_need_it(
    machine: Machine, words: str, added: list[str]
) -> None:
    machine.program("lint", "#!/bin/sh\n")
    assert machine.run(*words.split()).returncode in (0, 1)
    assert machine.calls == [*BASE, *added]
    machine.run(*words.split())
    assert machine.calls == []


def test_a_set_is_added_to_a_ready_environment(machine: Machine) -> None:
    machine.run("demo")
    machine.run("train", "data")
    assert machine.calls == TRAIN
    assert (machine.venv / "torch.lock").read_text() == "torch==1+cpu ; marker\n"
    machine.run("demo")
    assert machine.calls == []


def test_an_unknown_set_is_refused(machine: Machine) -> None:
    result = machine.run("setup", "everything")
    assert result.returncode == 2
    assert "no set named 'everything'" in result.stderr
    assert machine.calls == []


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("--help", "the commands\n"),
        ("-h", "the commands\n"),
        ("", "the commands\n"),
        ("verify --help", "verifying\n"),
        ("verify --target x --help", "verifying\n"),
        ("train --help", "training\n"),
        ("train data --source x --help", "speech\n"),
        ("nonsense --help", "the commands\n"),
    ],
)
def test_help_needs_no_set_up(machine: Machine, words: str, page: str) -> None:
    machine.lack("python3", "cc", "arm-cc")
    result = machine.run(*words.split())
    assert (result.returncode, result.stdout, result.stderr) == (0, page, "")
    assert machine.calls == []
    assert not (machine.checkout / "build").exists()


@pytest.mark.parametrize("word", ["test", "check", "setup"])
def test_help_of_the_words_of_run_itself(machine: Machine, word: str) -> None:
    result = machine.run(word, "--help")
    assert "./run test [ARG...]" in result.stdout
    assert machine.calls == []


def test_help_comes_from_the_command_where_it_is_installed(machine: Machine) -> None:
    machine.run("doctor")
    assert machine.run("verify", "--help").stdout == "<verify><--help>"
    assert machine.run("train", "--help").stdout == "training\n"  # its set is not installed
    assert machine.calls == []


def test_run_is_found_through_links(machine: Machine, tmp_path: Path) -> None:
    first, second = tmp_path / "links" / "first", tmp_path / "links" / "second"
    first.parent.mkdir()
    first.symlink_to("../a check out/run")
    second.symlink_to(first)
    for link in (first, second):
        assert machine.run("targets", by=link, cwd=tmp_path).stdout == "<targets>"


def test_the_second_start_calls_nothing_and_says_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.run("doctor")
    result = machine.run("doctor", "--json", "-", cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("<doctor><--json><->", "")
    assert machine.calls == []


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_updates_the_environment_in_place(machine: Machine, file: str) -> None:
    machine.run("doctor")
    path = machine.checkout / file
    path.write_text(path.read_text().replace("click==1", "click==2") + "# another version\n")
    machine.run("doctor")
    assert machine.calls == BASE[1:]
    machine.run("doctor")
    assert machine.calls == []


@pytest.mark.parametrize("step", ["*base.lock", "*--editable*", "*export.lock"])
def test_an_interrupted_install_is_not_taken_for_a_finished_one(
    machine: Machine, step: str
) -> None:
    machine.fail = step
    result = machine.run("export")
    assert result.returncode == 2
    assert result.stdout == ""
    assert str(machine.log_folder / "python.log") in result.stderr
    assert not (machine.venv / "ready.export").exists()
    machine.fail = NO_FAULT
    assert machine.run("export").returncode == 0
    assert machine.calls[0] == "venv --clear"


def test_a_moved_checkout_is_made_ready_anew(machine: Machine, tmp_path: Path) -> None:
    machine.run("doctor")
    machine.checkout = machine.checkout.rename(tmp_path / "elsewhere")
    assert machine.run("doctor").returncode == 0
    assert machine.calls[0] == "venv --clear"


INDEX = "https://download.pytorch.org/whl/cpu"


def test_torch_comes_from_its_own_index_only_if_the_configured_one_lacks_it(
    machine: Machine,
) -> None:
    machine.fail = "*:all: -r *torch.lock"
    assert machine.run("train").returncode == 0
    asked = ["pip -r torch.lock", f"pip --index-url {INDEX} -r torch.lock"]
    assert machine.calls == [*BASE, *asked, "pip -r train.lock"]
    assert f"asking {INDEX}" in (machine.log_folder / "python.log").read_text()


def test_where_no_torch_exists_one_line_says_so_and_the_rest_works(machine: Machine) -> None:
    machine.fail = "*torch.lock"
    result = machine.run("train")
    assert (result.returncode, result.stdout) == (2, "")
    assert [line for line in result.stderr.splitlines() if "no torch" in line]
    assert machine.run("demo").stdout == "<demo>"
    assert machine.calls == []
    machine.fail = NO_FAULT
    assert machine.run("train").stdout == "<train>"
    assert machine.calls == TRAIN


def test_the_tests_run_without_torch_and_do_not_ask_for_it_again(machine: Machine) -> None:
    machine.program("lint", "#!/bin/sh\n")
    machine.fail = "*torch.lock"
    result = machine.run("test")
    assert result.returncode == 0
    assert "no torch" in result.stderr
    assert "-m pytest" in result.stdout
    assert machine.run("test").stderr == ""
    assert machine.calls == []


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    machine.lack("cc")
    assert machine.run("demo").returncode == 0
    apt = [call for call in machine.calls if call.startswith("apt-get")]
    assert apt == ["apt-get update", "apt-get install gcc"]


def test_the_arm_compiler_is_unpacked_beside_the_environment(machine: Machine) -> None:
    machine.lack("arm-cc", "arm-ld")
    assert machine.run("demo").returncode == 0
    assert [call for call in machine.calls if not call.startswith(("pip", "venv"))] == [
        "apt-get update",
        "apt-get download gcc-arm binutils-arm",
        "tar",
    ]
    assert (machine.checkout / ".arm" / "ready").exists()
    machine.run("demo")
    assert machine.calls == []


def test_an_arm_compiler_of_which_a_part_is_missing_is_completed(machine: Machine) -> None:
    machine.lack("arm-ld")
    assert machine.run("demo").returncode == 0
    assert "apt-get install binutils-arm" in machine.calls
    assert not (machine.checkout / ".arm").exists()


@pytest.mark.parametrize("word", ["test", "check"])
def test_tests_and_linters_get_all_packages_whole(machine: Machine, word: str) -> None:
    machine.lack("arm-cc", "aarch64-cc")
    machine.run(word)
    assert "apt-get install gcc-aarch64 linter gcc-arm" in machine.calls


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("verify --target virt-a53", True),
        ("verify --target=virt-a53", True),
        ("verify --target targets/virt-a53.toml", True),
        ("bench --all", True),
        ("package --target-core cortex-a53 --output dir", True),
        ("package --target-core=cortex-a53", True),
        ("package --target-core cortex-m4", False),
        ("verify --target virt-a7", False),
        ("verify --target targets/virt-a7.toml", False),
        ("demo", False),
    ],
)
def test_a_64_bit_compiler_comes_with_the_first_target_that_needs_it(
    machine: Machine, words: str, wanted: bool
) -> None:
    machine.lack("aarch64-cc")
    machine.run(*words.split())
    assert ("apt-get install gcc-aarch64" in machine.calls) == wanted


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        ("verify --target linux-a53", "gcc-aarch64 qemu-user"),
        ("verify --target=./targets/linux-a53.toml", "gcc-aarch64 qemu-user"),
        ("verify --target virt-a53", "gcc-aarch64"),
        ("test", "gcc-aarch64 qemu-user"),
    ],
)
def test_qemu_user_comes_with_the_first_target_that_needs_it(
    machine: Machine, words: str, packages: str
) -> None:
    machine.lack("aarch64-cc", "aarch64-run")
    machine.run(*words.split())
    (call,) = (call for call in machine.calls if call.startswith("apt-get install"))
    assert call.removeprefix("apt-get install ").removesuffix(" linter") == packages


def test_a_failing_apt_ends_it(machine: Machine) -> None:
    machine.lack("cc")
    machine.program("apt-get", "#!/bin/sh\necho no such mirror\nexit 100\n")
    result = machine.run("demo")
    assert result.returncode == 2
    assert "no such mirror" in result.stderr
    assert str(machine.log_folder / "update.log") in result.stderr
    assert not machine.venv.exists()


@pytest.mark.parametrize(
    ("manager", "command", "others"),
    [
        ("dnf", "dnf install fedora-arm fedora-gcc fedora-newlib", ""),
        ("brew", "brew install brew-gcc", "brew has no package for Debian's gcc-arm"),
        ("pacman", "pacman -S --needed arch-arm arch-gcc", ""),
        ("", "", "their Debian names are: gcc gcc-arm"),
    ],
)
def test_without_apt_the_command_of_that_system_is_told(
    machine: Machine, manager: str, command: str, others: str
) -> None:
    machine.lack("cc", "arm-cc", "apt-get")
    if manager:
        machine.program(manager, "#!/bin/sh\n")
    result = machine.run("demo")
    assert (result.returncode, result.stdout) == (2, "")
    lines = [line.strip() for line in result.stderr.splitlines()]
    assert not command or command in lines
    assert others in result.stderr
    assert "Containerfile" in result.stderr
    assert machine.calls == []


def test_without_apt_and_complete_nothing_is_asked(machine: Machine) -> None:
    machine.lack("apt-get")
    assert machine.run("demo").stdout == "<demo>"


def test_without_root_the_one_command_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root_user=False)
    machine.lack("arm-cc")
    result = machine.run("test")
    assert result.returncode == 2
    assert result.stdout == ""
    wanted = "apt-get install -y --no-install-recommends linter gcc-arm"
    assert [line.strip() for line in result.stderr.splitlines() if "apt-get" in line] == [wanted]
    assert machine.calls == []


def test_without_root_the_doctor_still_speaks(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root_user=False)
    machine.lack("arm-cc")
    result = machine.run("doctor")
    assert result.stdout == "<doctor>"
    assert "apt-get install -y --no-install-recommends gcc-arm" in result.stderr


def test_without_root_and_complete_nothing_is_asked(tmp_path: Path) -> None:
    assert Machine(tmp_path, root_user=False).run("demo").stdout == "<demo>"


def test_pytest_runs_in_the_checkout(machine: Machine, tmp_path: Path) -> None:
    machine.program("lint", "#!/bin/sh\n")
    result = machine.run("test", "-k", "one thing", cwd=tmp_path)
    assert result.stdout == f"{machine.checkout}: -m pytest -n 2 --dist loadfile -k one thing\n"


@pytest.mark.skipif(not (ROOT / ".venv" / "ready").exists(), reason="./run did not make this venv")
def test_this_checkout_starts_without_a_word(tmp_path: Path) -> None:
    for _ in range(2):  # the first run handles what changed since the last call, if anything
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


def test_a_terminal_gets_one_line_that_changes(machine: Machine) -> None:
    machine.lack("cc", "arm-cc", "arm-ld")
    ours, theirs = pty.openpty()
    machine.run("doctor", told_to=theirs)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            told += piece
    os.close(ours)
    lines = told.decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    whole = [line.rpartition("\r")[2].removeprefix("\033[K") for line in lines]
    assert len(whole) == 5  # setting up, three jobs, ready
    assert "setting up" in whole[0]
    assert whole[-1].startswith("run: ready after")
    assert "pip speaks" not in told.decode()
    assert "Debian's package lists" in told.decode()  # in the line that changed
