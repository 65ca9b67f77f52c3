# SPDX-License-Identifier: BSD-3-Clause
"""labgrid://PLACE: where labgrid says that the serial port is.

A real coordinator and exporter run where labgrid's programs are in PATH. Elsewhere a program in
place of labgrid-client prints what the real one (26.0) printed.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.fixtures.ports import rfc2217_place
from tests.support.fixtures.toy_board import build_board, inputs
from tests.support.fixtures.toy_sessions import begin, check, running
from toolkit.common.errors import InputError, LinkError, ToolError
from toolkit.device.boards import labgrid, patience
from toolkit.device.boards.lines import check_line, open_line
from toolkit.device.desk.asking import hello

RESOURCE = """\
Acquired resource '{name}' (exp1/desk/{cls}/{name}):
  {{'acquired': 'm4',
   'avail': {avail},
   'cls': '{cls}',
   'params': {{'extra': {{'proxy': 'gate', 'proxy_required': {proxy}}},
              'host': {host!r},
              'port': {port},
              'protocol': '{protocol}',
              'speed': 115200}}}}
"""
PLACE = """\
Place 'm4':
  matches:
    exp1/desk/*
  acquired: {holder}
  acquired resources:
    exp1/desk/NetworkSerialPort/NetworkSerialPort
  created: 2026-11-30 23:25:41.594687
  changed: 2026-11-30 23:25:42.942664
"""
US = f"{socket.gethostname()}/{getpass.getuser()}"


def resource(**values: Any) -> str:
    usual = {
        "name": "NetworkSerialPort", "cls": "NetworkSerialPort", "avail": True, "proxy": False,
        "host": "10.0.0.7", "port": 4567, "protocol": "rfc2217",
    }  # fmt: skip
    return RESOURCE.format(**(usual | values))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a labgrid-client first in PATH; return the file of what it prints."""
    folder = tmp_path / "bin"
    folder.mkdir()
    prints = tmp_path / "prints"
    program = folder / labgrid.CLIENT
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "-p m4 show" ] && exec cat {prints}\n'
        "echo 'labgrid-client: Error: place pattern nope matches nothing' >&2\nexit 1\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in ("LG_HOSTNAME", "LG_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    prints.write_text(PLACE.format(holder=US) + resource(), encoding="utf-8")
    return prints


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, "rfc2217://10.0.0.7:4567?ign_set_control"),
        ({"protocol": "raw"}, "socket://10.0.0.7:4567"),
        ({"protocol": "raw", "host": "fd00::7"}, "socket://[fd00::7]:4567"),
    ],
)
def test_a_place_becomes_its_port(client: Path, values: dict[str, Any], found: str) -> None:
    client.write_text(
        PLACE.format(holder=US) + resource(name="PDU", cls="NetworkPowerPort") + resource(**values)
    )
    assert labgrid.resolve("labgrid://m4") == found


def test_one_of_several_ports_is_named(client: Path) -> None:
    two = resource(name="console", port=1) + resource(name="link", port=2, protocol="raw")
    client.write_text(PLACE.format(holder=US) + two)
    assert labgrid.resolve("labgrid://m4/link") == "socket://10.0.0.7:2"
    for url, why in (
        ("labgrid://m4", "several serial ports: labgrid://PLACE/ and console, link"),
        ("labgrid://m4/usb", "the place has no NetworkSerialPort 'usb'"),
    ):
        with pytest.raises(LinkError, match=why):
            check_line(url)


@pytest.mark.parametrize(
    ("holder", "values", "why"),
    [
        ("None", {}, "the place is not acquired: labgrid-client -p m4 acquire"),
        ("lab/ann", {}, f"the place is acquired by lab/ann, not by {US}"),
        (US, {"cls": "NetworkPowerPort"}, "the place has no NetworkSerialPort"),
        (US, {"avail": False}, "the exporter has no serial port there now: is it plugged in?"),
        (US, {"port": None}, "the exporter has no serial port there now: is it plugged in?"),
        (US, {"proxy": True}, "10.0.0.7 is reached through gate alone: forward its port 4567 by"),
    ],
)
def test_a_place_without_a_port_for_us_is_one_line(
    client: Path, holder: str, values: dict[str, Any], why: str
) -> None:
    client.write_text(PLACE.format(holder=holder) + resource(**values))
    with pytest.raises(LinkError) as caught:
        check_line("labgrid://m4")
    assert str(caught.value).startswith(f"labgrid://m4: {why}")


def test_names_of_labgrids_own_environment_count(
    client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.write_text(PLACE.format(holder="ci/robot") + resource())
    monkeypatch.setenv("LG_HOSTNAME", "ci")
    monkeypatch.setenv("LG_USERNAME", "robot")
    assert labgrid.resolve("labgrid://m4").startswith("rfc2217://10.0.0.7")


@pytest.mark.usefixtures("client")
def test_what_the_client_complains_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkError) as caught:
        check_line("labgrid://nope")
    assert str(caught.value) == (
        "labgrid://nope: labgrid-client: Error: place pattern nope matches nothing"
    )
    for url in ("labgrid://", "labgrid://a/b/c", "labgrid://a?b"):
        with pytest.raises(InputError, match="want labgrid://PLACE or labgrid://PLACE/NAME"):
            check_line(url)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolError, match="labgrid-client is missing: pipx install labgrid"):
        check_line("labgrid://m4")


def test_a_client_that_hangs_is_one_line(client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client.unlink()
    os.mkfifo(client)
    monkeypatch.setattr(patience, "LABGRID_S", 0.2)
    with pytest.raises(LinkError, match="labgrid://m4: labgrid-client does not answer within"):
        check_line("labgrid://m4")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(tmp_path_factory.mktemp("board") / "board")


@contextmanager
def lab(folder: Path, port: int, protocol: str) -> Iterator[None]:
    """Run a coordinator, and an exporter with one serial port; acquire it as the place `m4`."""
    (folder / "exports.yaml").write_text(
        f"desk:\n  NetworkSerialPort:\n    host: 127.0.0.1\n    port: {port}\n"
        f"    protocol: {protocol}\n",
        encoding="utf-8",
    )
    exporter = ["labgrid-exporter", "--name", "exp1", "exports.yaml"]
    with ExitStack() as stack, (folder / "log").open("wb") as log:
        for words in (["labgrid-coordinator", "-l", os.environ["LG_COORDINATOR"]], exporter):
            process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        _until("create")
        _until("add-match", "exp1/desk/*")
        _until("show", says="Matching resource")
        _until("acquire")
        yield


def _until(*words: str, says: str = "") -> None:
    """Give labgrid's client words until they succeed: both programs are still starting."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run([labgrid.CLIENT, "-p", "m4", *words], capture_output=True, text=True)
        if done.returncode == 0 and says in done.stdout:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)


@pytest.mark.skipif(
    shutil.which("labgrid-coordinator") is None, reason="labgrid's programs are not in PATH"
)
@pytest.mark.parametrize("protocol", ["raw", "rfc2217"])
def test_a_real_coordinator_and_exporter(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LG_COORDINATOR", f"127.0.0.1:{free.getsockname()[1]}")
    steps = inputs(30)
    with ExitStack() as stack:
        url = stack.enter_context(running(program)).url
        if protocol == "rfc2217":
            url = stack.enter_context(rfc2217_place(url))
        port = urlsplit(url).port
        assert port is not None
        stack.enter_context(lab(tmp_path, port, protocol))
        check_line("labgrid://m4")
        with open_line("labgrid://m4") as line:
            check(list(begin(line, trace=True).run_steps(steps)), steps, trace=True)
        if protocol == "raw":
            assert hello("labgrid://m4", PATIENCE_S).target == "host"
