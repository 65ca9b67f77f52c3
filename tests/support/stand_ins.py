# SPDX-License-Identifier: BSD-3-Clause
"""Models of every stage and voice without trained weights, for tests of generated C."""

import functools

from quantize.codec.receiver_model import DecoderModel
from scripts.stand_in import stand_in, stand_in_fargan, stand_in_receiver
from toolkit.stages.stage import DecoderStage, EncoderStage, NetworkStage, Stage

NAMES = (
    *("encoder", "decoder-lpcnet", "decoder-fargan", "decoder-pulse", "decoder-batch"),
    "rdovae_enc",
)


@functools.cache
def stand_in_stage(name: str) -> Stage:
    """Return the stage of one of NAMES."""
    sender, receiver = stand_in(), stand_in_receiver()
    made: dict[str, Stage] = {
        "encoder": EncoderStage(sender),
        "decoder-lpcnet": DecoderStage(receiver),
        "decoder-fargan": DecoderStage(stand_in_fargan()),
        "decoder-pulse": DecoderStage(DecoderModel(receiver.networks, "pulse")),
        "decoder-batch": DecoderStage(receiver, batch=4),
        "rdovae_enc": NetworkStage(sender.rdovae),
    }
    return made[name]
