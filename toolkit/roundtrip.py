# SPDX-License-Identifier: BSD-3-Clause
"""From a sender's verified run to a receiver's inputs: PCM in one board, payloads, PCM in another.

What the first board made is what the second one gets: nothing is computed on the host in between.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from quantize.integer import Ints
from toolkit.audio import read_speech
from toolkit.decoder_stage import DecoderStage
from toolkit.errors import InputError
from toolkit.report.checks import checks
from toolkit.report.page import verdict
from toolkit.stage import EncoderStage, Int16s
from toolkit.verify import Verification

_Q16 = 16


def payloads_of(outputs: dict[str, Int16s]) -> list[bytes]:
    """The payloads, one a packet, among what a sender's steps gave."""
    lengths = outputs["payload_length"][:, 0]
    rows = outputs["payload"].astype(np.uint8)
    return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]


def read_payloads(path: Path) -> list[bytes]:
    """The payloads in what `dredkit stream` kept of a sender; InputError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in ("payload_length", "payload")}
        return payloads_of(kept)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: holds no payloads of a sender ({error}); `dredkit stream` writes them"
        ) from error


def sent_by(sender: Verification) -> dict[str, Ints]:
    """Latents and states of a sender's run, int32 Q16, to calibrate a receiver with."""
    assert isinstance(sender.stage, EncoderStage)
    frac = sender.stage.model.rdovae.frac
    return {
        name: sender.outputs[name].astype(np.int64) << (_Q16 - frac[name])
        for name in ("latents", "initial_state")
    }


def receiver_inputs(stage: DecoderStage, sender: Verification) -> Int16s:
    """What the receiver is asked to do with the packets that a sender's board made."""
    return stage.inputs_of(read_speech(sender.audio), payloads_of(sender.outputs))


def sender_facts(sender: Verification, page: Path) -> dict[str, Any]:
    """What the receiver's report says of the sender; `page` is the sender's own, relative."""
    found = checks(sender.as_json())
    return {
        "ok": all(check.ok for check in found),
        "verdict": f"{verdict(found)}: {sender.stage.name} on {sender.target.name}",
        "page": page.as_posix(),
    }
