# SPDX-License-Identifier: BSD-3-Clause
"""The stages that committed figures are of: the shipped weights, quantised once for all targets."""

from functools import cached_property

from quantize.decoder import DecoderModel
from quantize.dred.redundancy import DecoderNetworks
from quantize.encoder import EncoderModel
from toolkit.figures import VOICES
from toolkit.importers import SHIPPED
from toolkit.stage import Stage, stage_of
from toolkit.steps import Sources, quantise_decoder, quantise_encoder
from toolkit.voice import voice_model


class Shipped:
    """The stages of the shipped weights, each made when it is first asked for."""

    @cached_property
    def _sender(self) -> EncoderModel:
        return quantise_encoder(Sources(SHIPPED))[0]

    @cached_property
    def _networks(self) -> DecoderNetworks:
        sources = Sources(SHIPPED, voice=VOICES["decoder-pulse"])
        return quantise_decoder(sources, self._sender)[0].networks

    def stage(self, run: str) -> Stage:
        """The stage of a run."""
        if run == "encoder":
            return stage_of(self._sender)
        model = DecoderModel(self._networks, voice_model(VOICES[run]))
        return stage_of(model, sender=self._sender)
