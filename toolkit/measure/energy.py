# SPDX-License-Identifier: BSD-3-Clause
"""Energy a frame from a recording of current: pulses of a pin say when a step ran.

The file is CSV with a header, as the Power Profiler of nRF Connect exports it for a PPK2:
Timestamp(ms),Current(uA),D0-D7; or with columns of these kinds, as a Joulescope's export has them:
a time, a current, maybe a voltage, and a logic input.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError

_SCALES: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "a": 1.0, "ma": 1e-3, "ua": 1e-6,
                  "v": 1.0, "mv": 1e-3}  # fmt: skip
_UNIT: Final = re.compile(r"[(\[]\s*([a-zµ]+)\s*[)\]]")
_TIME: Final = ("time", "timestamp")
_LOGIC: Final = re.compile(r"^(d0|d0-d7|gpi|gpi\[?0\]?|in0|logic)\b")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Energy:
    """Energy of each pulse in J, its length in s, and the power in W outside of all pulses."""

    joules: Floats
    seconds: Floats
    idle_watts: float

    def by_frame(self, frames: Sequence[int]) -> Floats | None:
        """Return the energy of each frame in J; `frames` has the frame of each step, ascending.

        Each pulse is a step. Returns None if there are not as many pulses as steps.
        """
        if len(frames) != len(self.joules):
            return None
        found: Floats = np.zeros(max(frames) + 1)
        np.add.at(found, np.asarray(frames), self.joules)
        return found

    def as_json(self, file: str) -> dict[str, Any]:
        """Return the figures in µJ, ms and mW."""
        return {
            "file": file,
            "frames": len(self.joules),
            "mean_uj": round(1e6 * float(self.joules.mean()), 4),
            "worst_uj": round(1e6 * float(self.joules.max()), 4),
            "busy_ms": round(1e3 * float(self.seconds.mean()), 6),
            "idle_mw": round(1e3 * self.idle_watts, 6),
        }


def read_energy(path: Path, volts: float) -> Energy:
    """Read a recording; `volts` is the supply where the file has no voltage.

    Raises InputError for a file without such columns, with a cell that is no number, or without a
    whole pulse.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            head = next(rows, [])
            table = [*_cells(rows, _columns(head, path), path)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    values = np.array(table, dtype=np.float64).reshape(-1, 4)
    return _energy(values, volts, path)


def _columns(head: Sequence[str], path: Path) -> list[tuple[int, float]]:
    """Return place and scale of time, current, voltage (-1 if none) and the logic input."""
    names = [name.strip(" #\t").lower() for name in head]

    def find(*starts: str) -> tuple[int, float]:
        for at, name in enumerate(names):
            if name.startswith(starts):
                unit = _UNIT.search(name)
                return at, _SCALES.get(unit[1].replace("µ", "u") if unit else "", 1.0)
        return -1, 1.0

    logic = next((at for at, name in enumerate(names) if _LOGIC.match(name)), -1)
    found = [find(*_TIME), find("current"), find("voltage"), (logic, 1.0)]
    for (at, _), what in zip(found, ("time", "current", "", "logic input (D0)"), strict=True):
        if at < 0 and what:
            raise InputError(f"{path}: has no column of a {what}; columns: {', '.join(head)}")
    return found


def _cells(
    rows: Iterator[list[str]], columns: Sequence[tuple[int, float]], path: Path
) -> Iterator[tuple[float, ...]]:
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        try:
            plain = [float(row[at]) * scale if at >= 0 else np.nan for at, scale in columns[:3]]
            # D0-D7 is a text of eight digits, D0 the first.
            high = float(row[columns[3][0]].strip()[:1] == "1")
        except (ValueError, IndexError):
            raise InputError(f"{path}: line {number}: not a row of numbers") from None
        yield (*plain, high)


def _energy(values: npt.NDArray[np.float64], volts: float, path: Path) -> Energy:
    times, current, voltage, high = values.T
    power = current * np.where(np.isnan(voltage), volts, voltage)
    edges = np.flatnonzero(np.diff(high))  # the sample before each edge
    ups = [edge + 1 for edge in edges if high[edge] == 0.0]
    pulses = []
    for up in ups:
        later = edges[edges >= up]
        if len(later):
            pulses.append((up, int(later[0]) + 1))
    if not pulses:
        raise InputError(
            f"{path}: the logic input has no whole pulse: is the pin the board's mark?"
        )
    spans = np.diff(times, append=times[-1])
    joules = np.array([float((power[a:b] * spans[a:b]).sum()) for a, b in pulses])
    seconds = np.array([float(times[b] - times[a]) for a, b in pulses])
    idle = power[high == 0.0]
    return Energy(joules, seconds, float(idle.mean()))
