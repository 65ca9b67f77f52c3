# SPDX-License-Identifier: BSD-3-Clause
"""From a sender's verified run to a receiver's inputs: one board's payloads for another board.

The second board gets what the first one made: the host computes nothing in between.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.files.array_file import read_arrays
from quantize.files.reading import file_bytes
from quantize.integer import Ints
from toolkit.common.errors import InputError
from toolkit.report.page import verdict
from toolkit.speech.audio import read_speech
from toolkit.stages.receiver import ROOM, DecoderStage
from toolkit.stages.stage import EncoderStage, Int16s
from toolkit.verify.checks import checks
from toolkit.verify.verify import Verification

_Q16 = 16
_BYTE = 255


def payloads_of(outputs: dict[str, Int16s]) -> list[bytes]:
    """Return the payloads, one a packet, from a sender's outputs."""
    lengths = outputs["payload_length"][:, 0]
    rows = outputs["payload"].astype(np.uint8)
    return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]


def read_payloads(path: Path) -> list[bytes]:
    """Read the payloads, one a packet, from the file that `dredkit stream` wrote for a sender.

    Returns at least one. Raises InputError for any other file, and for lengths out of range.
    """
    data = file_bytes(path, "`dredkit stream` writes payloads")
    try:
        kept = read_arrays(data, ("payload_length", "payload"))
        _check_payloads(kept["payload_length"], kept["payload"])
    except InputError as error:
        raise InputError(
            f"{path}: holds no payloads of a sender ({error}); `dredkit stream` writes them"
        ) from error
    return payloads_of(kept)


def _check_payloads(lengths: npt.NDArray[Any], rows: npt.NDArray[Any]) -> None:
    """Raise InputError unless `lengths` [packets, 1] and `rows` [packets, room] are payloads."""
    for name, values in (("payload_length", lengths), ("payload", rows)):
        if values.dtype.kind not in "iu" or values.ndim != 2:
            raise InputError(f"{name} is {values.dtype}{list(values.shape)}")
    if len(lengths) != len(rows) or lengths.shape[1] != 1 or not len(rows):
        raise InputError(f"{list(lengths.shape)} lengths for {list(rows.shape)} bytes")
    room = min(rows.shape[1], ROOM)
    for packet in np.flatnonzero((lengths[:, 0] < 0) | (lengths[:, 0] > room))[:1]:
        raise InputError(f"packet {packet} has {lengths[packet, 0]} bytes, want 0 to {room}")
    for packet in np.flatnonzero(((rows < 0) | (rows > _BYTE)).any(axis=1))[:1]:
        raise InputError(f"packet {packet} holds other values than bytes")


def sent_by(sender: Verification) -> dict[str, Ints]:
    """Return latents and states of a sender's run, int32 Q16, to calibrate a receiver with."""
    assert isinstance(sender.stage, EncoderStage)
    frac = sender.stage.model.rdovae.frac
    return {
        name: sender.outputs[name].astype(np.int64) << (_Q16 - frac[name])
        for name in ("latents", "initial_state")
    }


def receiver_inputs(stage: DecoderStage, sender: Verification) -> Int16s:
    """Return the receiver's inputs for the packets that a sender's board made."""
    return stage.inputs_of(read_speech(sender.audio), payloads_of(sender.outputs))


def sender_facts(sender: Verification, page: Path) -> dict[str, Any]:
    """Return what the receiver's report says of the sender; `page` is its own page, relative."""
    facts = sender.as_json()
    found = checks(facts)
    return {
        "ok": all(check.ok for check in found),
        "verdict": f"{verdict(found)}: {sender.stage.name} on {sender.target.name}",
        "page": page.as_posix(),
        "flash": facts["memory"]["flash"],
        "ram": facts["memory"]["ram"],
        "max": sender.budget.max,
        "limit": sender.budget.limit,
        "unit": sender.budget.unit,
    }
