# SPDX-License-Identifier: BSD-3-Clause
"""Shared by several tests: test data outside the repository, and the board to run on."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No example fails because it is slow: the machine may be busy.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

# A shell without job control has the programs that it puts into the background ignore these
# signals, and whatever they start inherits that. A handler of our own ignores them as well, but the
# programs that tests start and interrupt get the usual behaviour back.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        with contextlib.suppress(ValueError):  # this is not the main thread
            signal.signal(number, lambda *_: None)

ROOT = Path(__file__).resolve().parent.parent


class NoTorch:
    """Skips tests that import torch where it is not installed; ./run has already reported this.

    It is the last finder, so Python asks it only for modules that no other finder found.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Skip the test, or the whole module while tests are being collected."""
        if name == "torch":
            pytest.skip("torch is not installed: ./run setup train", allow_module_level=True)


sys.meta_path.append(NoTorch)  # type: ignore[arg-type]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("dredkit")
    group.addoption(
        "--target",
        metavar="NAME",
        default=None,
        help="run the on-device tests on this target (a name of `dredkit targets`) only",
    )
    group.addoption(
        "--cc",
        metavar="COMMAND",
        action="append",
        default=[],
        help="also run the 64-bit kernels' tests on what this compiler for AArch64 makes; may be "
        "given again. Versions of gcc and clang that are on the PATH are found by themselves",
    )
    group.addoption(
        "--port",
        metavar="URL",
        default=None,
        help="run the on-device tests over this serial port or pyserial URL, on a board that is "
        "already flashed, in place of an emulated one",
    )


@pytest.fixture(scope="session")
def upstream() -> Path:
    """Return the folder with libopus 1.6 weights and golden data, not part of the repository.

    The environment variable DREDKIT_UPSTREAM names it; otherwise it is beside the checkout.
    """
    named = os.environ.get("DREDKIT_UPSTREAM")
    folder = Path(named) if named else ROOT.parent / "shared" / "opus-1.6"
    if not (folder / "weights" / "rdovae_enc.bin").is_file():
        pytest.skip(f"no upstream weights in {folder}: set DREDKIT_UPSTREAM to their folder")
    return folder


@pytest.fixture(scope="session")
def build_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `prepare` builds, for all tests of this process.

    Kernels are compiled once per target. Each test keeps its own copy of an image, server or
    engine, so a later build does not change it.
    """
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="session")
def clip() -> Path:
    """Return the WAV file of recorded speech that ships with dredkit."""
    return ROOT / "toolkit" / "data" / "clip.wav"


@pytest.fixture(scope="session")
def target_name(request: pytest.FixtureRequest) -> str | None:
    """Return the target named by --target, or None for each emulated one."""
    name: str | None = request.config.getoption("--target")
    return name


@pytest.fixture(scope="session")
def port_url(request: pytest.FixtureRequest) -> str | None:
    """Return the port named by --port, or None for an emulated board."""
    url: str | None = request.config.getoption("--port")
    return url
