# SPDX-License-Identifier: BSD-3-Clause
"""Means of a table, and paired differences, with intervals of 95 % by Student's t.

Pairs have the same recording and lose the same packets.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from toolkit.call.losses import bursty
from toolkit.call.table.conditions import Condition, Setup, above, how, result_key
from toolkit.call.table.row import Result, Row
from toolkit.call.table.speech import Recording

CONFIDENCE: Final = 0.95
FRAME: Final = 320  # samples at 16 kHz of a packet
_BITRATES: Final = {
    "total": "bitrate", "lbrr": "lbrr_bitrate", "redundancy": "redundancy_bitrate",
}  # fmt: skip

Results = dict[tuple[str, int, str], Result]  # recording, loss in percent, condition
Floats = NDArray[np.float64]


def rows_for(
    recordings: Sequence[Recording],
    rates: Sequence[int],
    conditions: Sequence[Condition],
    setup: Setup,
    listened: Collection[str] = (),
) -> list[Row]:
    """Return all rows; what loses nothing is there once, at rate 0.

    Of the recordings that are `listened` to by name, what is played is asked for too.
    """
    made_of = {condition.key: setup.fingerprint(condition) for condition in conditions}
    rows = []
    for recording in recordings:
        count = len(recording.pcm) // FRAME
        pcm = recording.pcm.astype("<i2").tobytes()
        for rate in (0, *rates):
            seed = setup.seed ^ zlib.crc32(f"{recording.name} {rate}".encode())
            lost = tuple(bursty(count, rate, seed))
            for condition in conditions:
                if condition.lossless == (rate == 0):
                    told = {**made_of[condition.key], "loss": rate}
                    key = result_key(told, pcm, lost)
                    listen = recording.name in listened
                    rows.append(Row(recording.name, rate, condition, lost, key, listen))
    return rows


def summary(
    results: Results,
    recordings: Sequence[Recording],
    conditions: Sequence[Condition],
    rates: Sequence[int],
    setup: Setup,
    against: str,
) -> dict[str, Any]:
    """Return each condition's means at each rate and paired differences, in all and by group."""
    scores = _Scores(results, conditions)
    names = [recording.name for recording in recordings]
    groups = dict.fromkeys(recording.group for recording in recordings)
    table = {
        condition.key: {
            "title": condition.title, "kind": condition.kind, "voice": condition.voice,
            "how": how(condition, setup),
            "rates": {str(rate): _cell(scores, condition, rate, names, against) for rate in rates},
        }
        for condition in conditions
    }  # fmt: skip
    members = {g: [r.name for r in recordings if r.group == g] for g in groups}
    return {
        "recordings": [recording.facts for recording in recordings],
        "rates": list(rates),
        "against": against,
        "conditions": table,
        "order": _order(scores, conditions, rates, names),
        "groups": {
            group: {
                "recordings": len(inside),
                "plcmos": {
                    c.key: {str(rate): interval("mean", scores.of(c.key, rate, inside))
                            for rate in rates}
                    for c in conditions
                },
                "order": _order(scores, conditions, rates, inside),
            }
            for group, inside in members.items()
        },
    }  # fmt: skip


def interval(name: str, values: Floats) -> dict[str, float | None]:
    """Return the mean under `name`, and half of its 95 % interval by Student's t.

    The half is None for a single value.
    """
    count = len(values)
    half = None
    if count > 1:
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
        half = reach * float(values.std(ddof=1)) / count**0.5
    return {name: float(values.mean()), "half": half}


class _Scores:
    """Results by condition, rate and recording; those without loss serve at every rate."""

    def __init__(self, results: Results, conditions: Sequence[Condition]) -> None:
        self._results = results
        self._lossless = {c.key for c in conditions if c.lossless}

    def told(self, key: str, rate: int, names: Sequence[str]) -> list[Result]:
        rate = 0 if key in self._lossless else rate
        return [self._results[name, rate, key] for name in names]

    def of(self, key: str, rate: int, names: Sequence[str]) -> Floats:
        return np.array([one["plcmos"] for one in self.told(key, rate, names)])

    def apart(self, higher: str, lower: str, rate: int, names: Sequence[str]) -> dict[str, Any]:
        difference = self.of(higher, rate, names) - self.of(lower, rate, names)
        return interval("difference", difference)


def _cell(
    scores: _Scores, condition: Condition, rate: int, names: Sequence[str], against: str
) -> dict[str, Any]:
    own = scores.of(condition.key, rate, names)
    told = scores.told(condition.key, rate, names)
    mean = {key: float(np.mean([one[field] for one in told])) for key, field in _BITRATES.items()}
    return {
        **interval("plcmos", own),
        "bitrates": {"base": mean["total"] - mean["lbrr"] - mean["redundancy"], **mean},
        "lost_percent": float(np.mean([one["lost_percent"] for one in told])),
        "against": scores.apart(condition.key, against, rate, names),
        "from_no_loss": scores.apart(condition.key, "none", rate, names),
        "scores": dict(zip(names, own.tolist(), strict=True)),
    }


def _order(
    scores: _Scores, conditions: Sequence[Condition], rates: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return for each pair of `above` the difference, and whether its interval is above 0."""
    found = []
    for higher, lower in above(conditions):
        at: dict[str, Mapping[str, Any]] = {}
        for rate in rates:
            apart = scores.apart(higher, lower, rate, names)
            half = apart["half"]
            at[str(rate)] = {**apart, "beyond": half is not None and apart["difference"] > half}
        found.append({"higher": higher, "lower": lower, "rates": at})
    return found
