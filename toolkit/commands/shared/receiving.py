# SPDX-License-Identifier: BSD-3-Clause
"""What `stream` gives a receiver: payloads, and which packets are lost."""

from collections.abc import Sequence
from pathlib import Path

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.common.errors import InputError
from toolkit.measure.budget import STEP_SECONDS
from toolkit.models.saved import load_quantised
from toolkit.report.roundtrip import read_payloads
from toolkit.speech.audio import read_speech
from toolkit.stages.gaps import losses_at
from toolkit.stages.sending import Sending
from toolkit.stages.stage import DecoderStage, Int16s


def receiver_stage(
    model: DecoderModel,
    audio: Path,
    sending: Sending,
    payloads: Path | None,
    sender: Path,
    lose: Sequence[tuple[float, float]],
) -> tuple[DecoderStage, Int16s]:
    """Return the stage of a receiver and its inputs.

    `payloads` is the file that `stream` wrote for a sender's board with the same audio; without it
    the model in `sender` makes the payloads here. `lose` has spans (from, to) in seconds. Raises
    InputError for a span in which no packet begins.
    """
    pcm = read_speech(audio)
    made: EncoderModel | None = None
    if payloads is None:
        found = load_quantised(sender)
        if not isinstance(found, EncoderModel):
            raise InputError(f"--sender {sender}: not a sender; run `dredkit quantize` first")
        made = found
    carried = None if payloads is None else read_payloads(payloads)
    packets = len(pcm) // STEP if carried is None else len(carried)
    for first, last in lose:
        if not any(losses_at([(first, last)], packets)):
            raise InputError(
                f"--lose {first:g}-{last:g}: no packet begins there; "
                f"the audio ends at {packets * STEP_SECONDS:.2f} s"
            )
    losses = losses_at(lose, packets) if lose else None
    stage = DecoderStage(model, made, sending, losses)
    return stage, stage.inputs(audio) if carried is None else stage.inputs_of(pcm, carried)
