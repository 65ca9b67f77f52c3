# SPDX-License-Identifier: BSD-3-Clause
"""The shape of call.json as `dredkit call --table` writes it, in the words of report/schema.py.

Scores are PLCMOS, 1 to 5. `half` is half of a 95 % interval by Student's t, null for one recording.
Bitrates are bit/s of all packets, lost ones included; `total` is the sum of `base`, `lbrr` and
`redundancy`. Keys of `conditions` are also those of `against`, `higher`, `lower`, `plcmos` and
`sounds`; keys of `rates` are percent.
"""

from typing import Any, Final

_HALF: Final = (float, None)
_APART: Final = {"difference": float, "half": _HALF}
_ORDER: Final = [
    {"higher": str, "lower": str, "rates": {"*": {**_APART, "beyond": bool}}},
]  # fmt: skip

TABLE_SCHEMA: Final[dict[str, Any]] = {
    "source": str,
    "recordings": [
        # group: "unseen" (a speaker that no network here was trained on), "prompts" (a speaker of
        # the training, other words) or "given" (a file). language and speaker: "" if unknown.
        {"name": str, "group": str, "language": str, "speaker": str, "seconds": float},
    ],
    "rates": [int],
    "against": str,
    "conditions": {
        "*": {
            "title": str,
            "kind": str,  # lossless, base, held, predicted, dred
            "voice": (str, None),
            "how": str,
            "rates": {
                "*": {
                    "plcmos": float,
                    "half": _HALF,
                    "bitrates": {"base": float, "total": float, "lbrr": float, "redundancy": float},
                    "lost_percent": float,
                    "against": _APART,  # paired: this condition less the one of `against`
                    "from_no_loss": _APART,  # paired: this condition less no loss
                    "scores": {"*": float},  # by recording
                },
            },
        },
    },
    # Paired: `higher` less `lower`; `beyond` tells that the whole interval is above 0.
    "order": _ORDER,
    "groups": {
        "*": {
            "recordings": int,
            "plcmos": {"*": {"*": {"mean": float, "half": _HALF}}},  # condition, rate
            "order": _ORDER,
        },
    },
    "made": {"*": str},
    # Files beside the page: recording, rate, condition.
    "sounds": {"*": {"*": {"*": str}}},
}
