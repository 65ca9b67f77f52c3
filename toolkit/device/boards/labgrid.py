# SPDX-License-Identifier: BSD-3-Clause
"""The serial port of a labgrid place: labgrid://PLACE or labgrid://PLACE/NAME of a resource.

`labgrid-client` says where the port is. It runs as a program, because the package labgrid brings a
pyserial of its own, which would replace ours. The coordinator is the one of its environment
(LG_COORDINATOR).
"""

import ast
import getpass
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from toolkit.common.errors import InputError, LinkError, ToolError
from toolkit.device.boards import patience

CLIENT: Final = "labgrid-client"
_URL: Final = re.compile(r"labgrid://(?P<place>[^/?#\s]+)(/(?P<name>[^/?#\s]+))?", re.IGNORECASE)
_HOLDER: Final = re.compile(r"^  acquired: (\S+)$", re.MULTILINE)
# A resource in what `labgrid-client show` prints: its name, then a literal of Python.
_RESOURCE: Final = re.compile(
    r"^(Acquired|Matching) resource '(?P<name>.*)' \(.*\):\n(?P<facts>(?:  .*\n?)+)", re.MULTILINE
)
_SERIAL: Final = "NetworkSerialPort"


@dataclass(frozen=True)
class Place:
    """A place by its name in the coordinator, and the name of one of its serial ports, or None."""

    url: str
    name: str
    resource: str | None


def is_place(url: str) -> bool:
    """Return whether a --port is meant for this module."""
    return url.lower().startswith("labgrid://")


def resolve(url: str) -> str:
    """Return the URL of the serial port of a place: rfc2217://HOST:PORT or socket://HOST:PORT.

    Raises InputError for a URL of another form, ToolError without labgrid, LinkError for a place
    that is unknown, that is not acquired by this user, or that has not exactly one serial port.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise InputError(f"{url}: want labgrid://PLACE or labgrid://PLACE/NAME of a serial port")
    place = Place(url, found["place"], found["name"])
    said = _show(place)
    _check_holder(place, said)
    ports = {name: facts for name, facts in _resources(said) if facts.get("cls") == _SERIAL}
    if place.resource is not None:
        ports = {name: facts for name, facts in ports.items() if name == place.resource}
    if not ports:
        which = "" if place.resource is None else f" '{place.resource}'"
        raise LinkError(f"{url}: the place has no {_SERIAL}{which}")
    if len(ports) > 1:
        names = ", ".join(sorted(ports))
        raise LinkError(f"{url}: the place has several serial ports: labgrid://PLACE/ and {names}")
    (facts,) = ports.values()
    return _serial_url(place, facts)


def _show(place: Place) -> str:
    """Return what labgrid's client says of a place."""
    program = shutil.which(CLIENT)
    if program is None:
        raise ToolError(
            f"{CLIENT} is missing: pipx install labgrid (in an environment of its own: it brings "
            "its own pyserial)"
        )
    try:
        done = subprocess.run(
            [program, "-p", place.name, "show"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=patience.LABGRID_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LinkError(
            f"{place.url}: {CLIENT} does not answer within {patience.LABGRID_S:.0f} s"
        ) from None
    except OSError as error:
        raise ToolError(f"{program} cannot be started: {error.strerror}") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise LinkError(
            f"{place.url}: {lines[-1] if lines else f'{CLIENT} ended with {done.returncode}'}"
        )
    return done.stdout


def _check_holder(place: Place, said: str) -> None:
    """Raise LinkError unless the place is acquired by this user on this host, as labgrid tells."""
    found = _HOLDER.search(said)
    holder = found[1] if found is not None else "None"
    if holder == "None":
        raise LinkError(f"{place.url}: the place is not acquired: {CLIENT} -p {place.name} acquire")
    host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
    user = os.environ.get("LG_USERNAME") or getpass.getuser()
    if holder != f"{host}/{user}":
        raise LinkError(f"{place.url}: the place is acquired by {holder}, not by {host}/{user}")


def _resources(said: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the resources that a text of `labgrid-client show` tells of, by name."""
    found = []
    for match in _RESOURCE.finditer(said):
        try:
            facts = ast.literal_eval(match["facts"].strip())
        except (ValueError, SyntaxError):
            continue
        if isinstance(facts, dict) and isinstance(facts.get("params"), dict):
            found.append((match["name"], facts))
    return found


def _serial_url(place: Place, facts: dict[str, Any]) -> str:
    params = facts["params"]
    host, port = params.get("host"), params.get("port")
    if not facts.get("avail") or not host or not port:
        raise LinkError(
            f"{place.url}: the exporter has no serial port there now: is it plugged in?"
        )
    extra = params.get("extra") or {}
    if extra.get("proxy_required"):
        raise LinkError(
            f"{place.url}: {host} is reached through {extra.get('proxy')} alone: forward its port "
            f"{port} by ssh and give socket://127.0.0.1:PORT or rfc2217://127.0.0.1:PORT"
        )
    shown = f"[{host}]" if ":" in str(host) else host
    if params.get("protocol", "rfc2217") == "raw":
        return f"socket://{shown}:{port}"
    # Not every server takes settings of control lines; labgrid itself does not send them either.
    return f"rfc2217://{shown}:{port}?ign_set_control"
