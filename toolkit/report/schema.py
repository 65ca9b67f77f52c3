# SPDX-License-Identifier: BSD-3-Clause
"""The shape of verify.json, and a check that names the first place where a file differs."""

import math
from typing import Any

from toolkit.common.errors import InputError

COUNT = "a whole number from 0"
SIZE = "a whole number from 1"
SHIFT = "a number of bits"
RANGES = {COUNT: (0, 2**63 - 1), SIZE: (1, 2**63 - 1), SHIFT: (-64, 64)}

# A type, COUNT, SIZE or SHIFT; None for null; a tuple of alternatives; [item] for a list;
# {"*": value} for any keys; a dict for these keys (a file may hold more).
_MAYBE_INT = (int, None)
_MISMATCH = {
    "who": str, "layer": str, "step": COUNT, "element": COUNT,
    "got": _MAYBE_INT, "want": _MAYBE_INT,
}  # fmt: skip
_NUMBER = (int, float)
_MAYBE_NUMBER = (*_NUMBER, None)
_COSTS: dict[str, Any] = {
    "mean": _NUMBER, "macs": COUNT, "least_per_mac": _MAYBE_NUMBER, "limit_percent": _MAYBE_NUMBER,
}  # fmt: skip
_MEMORY = ("flash", "flash_limit", "ram", "ram_limit", "stack", "stack_worst", "stack_used")

SCHEMA: dict[str, Any] = {
    "format": str,
    "dredkit": str,
    "recorded": str,
    "target": str,
    "model_hash": str,
    "scheme": str,
    "stage": str,
    "source": {"*": str},
    "audio": str,
    "frames": SIZE,
    "mismatches": COUNT,
    "comparisons": {"*": {"values": COUNT, "mismatches": COUNT, "first": (_MISMATCH, None)}},
    "budget": {
        "unit": str, "per_frame": [COUNT], "limit": SIZE, "estimated": bool, "clock_hz": SIZE,
        "model": str, "errors": [str], "instructions": ([COUNT], None), "clock_source": str,
    },
    "cycles": (
        {
            "per_instruction": float, "jumps_percent": float,
            "functions": [{"name": str, "share_percent": float, "per_instruction": float}],
        },
        None,
    ),
    "bench": (
        {
            "target": str, "stage": str, "unit": str, "steps": SIZE,
            "parts": [{"name": str, "steps": SIZE, "a_second": _MAYBE_NUMBER} | _COSTS],
            "layers": [{"name": str, "part": str, "times": SIZE} | _COSTS],
        },
        None,
    ),
    "ops": (
        {"*": {"steps": SIZE, "max": COUNT, "mean": float, "first": COUNT, "used_percent": float}},
        None,
    ),
    "sender": (
        {
            "ok": bool, "verdict": str, "page": str, "flash": (COUNT, None), "ram": (COUNT, None),
            "max": COUNT, "limit": SIZE, "unit": str,
        },
        None,
    ),
    "redundancy": (
        {"bytes": COUNT, "payloads": COUNT, "kbps": _NUMBER, "most_bytes": COUNT}, None,
    ),
    "history": [
        {
            "recorded": str, "target": str, "stage": str, "unit": str, "ms": _NUMBER,
            "flash": (COUNT, None), "ram": (COUNT, None),
        }
    ],
    "score": ({"*": _NUMBER}, None),
    "playback": (
        {
            "kinds": [str], "slots": [COUNT], "gaps": [[COUNT]], "delay": COUNT,
            "joins": [{"sample": SIZE, "begins": bool, "step": COUNT, "around": COUNT}],
        },
        None,
    ),
    "memory": {key: (SIZE if key.endswith("_limit") else COUNT, None) for key in _MEMORY},
    "build_id": (str, None),
    "link": {"*": (int, float, str, bool, None)},
    "sections": {"*": COUNT},
    "recording": {"sha256": str, "samples": SIZE, "rate": SIZE},
    "model": {
        "frac": {"*": SHIFT},
        "outputs": {"*": SHIFT},
        "macs": COUNT,
        "table_bytes": COUNT,
        "arena_bytes": COUNT,
        "state_bytes": COUNT,
        "trace_values": COUNT,
        "layers": [
            {
                "name": str, "op": str, "inputs": SIZE, "outputs": SIZE, "weights": str,
                "times": SIZE, "macs": COUNT, "dense_macs": SIZE, "flash_bytes": COUNT,
            }
        ],
    },
    "board": {
        "description": str, "core": str, "isa": str, "clock_hz": SIZE, "clock_source": str,
        "verified_on": [str], "compiler": str, "emulator": (str, None),
    },
    "run": {"file": str, "sha256": str},
}  # fmt: skip


def require(value: object, kind: Any, where: str, key: str = "") -> None:
    """Raise InputError naming `where` and the key unless `value` is of `kind` throughout."""
    alternatives = kind if isinstance(kind, tuple) else (kind,)
    nested = next((k for k in alternatives if isinstance(k, dict | list)), None)
    if isinstance(nested, dict) and isinstance(value, dict):
        inner = dict.fromkeys(value, nested["*"]) if "*" in nested else nested
        for name, kind_of_it in inner.items():
            path = f"{key}.{name}" if key else name
            if name not in value:
                raise InputError(f"{where}: damaged: {path} is missing; run `dredkit verify` again")
            require(value[name], kind_of_it, where, path)
    elif isinstance(nested, list) and isinstance(value, list):
        for index, item in enumerate(value):
            require(item, nested[0], where, f"{key}[{index}]")
    elif not any(_is_plain(value, kind) for kind in alternatives):
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:40] + "..."
        raise InputError(
            f"{where}: damaged: {key or 'the file'} is {shown}; run `dredkit verify` again"
        )


def _is_plain(value: object, kind: Any) -> bool:
    """Return whether a plain value is of a kind; a bool is not an int, NaN not a number."""
    if isinstance(kind, str):
        low, high = RANGES[kind]
        return type(value) is int and low <= value <= high
    if kind is None:
        return value is None
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return type(value) is kind
