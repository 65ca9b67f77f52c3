# SPDX-License-Identifier: BSD-3-Clause
"""The receiver as a model file, and as a run of ops that a device must reproduce bit for bit.

One file holds all that a receiver needs: the RDO-VAE decoder's two networks, the entropy tables and
a voice. quantize.codec.receiver says what the ops do. Here they are data, as a device gets them
(Hear, Take, Chunk, Speak), and `run_decoder` gives the Answer to each, error numbers included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from quantize.codec.receiver import STEP, VOICE_RATE, OrderError, Receiver, ReceiverConfig
from quantize.codec.redundancy import DecoderNetworks, Redundancy
from quantize.dred.tables import EntropyTables
from quantize.errors import PayloadError
from quantize.integer import Ints
from quantize.nn.model import QuantisedModel
from quantize.nn.model_file import ModelFile, join_parts, read_parts
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init
from quantize.plc.predictor import read_predictor
from quantize.vocoder.voices import VoiceModel, read_voice, speaker, voice_bytes

FORMAT: Final = "dredkit-decoder-1"
ERR_ARGUMENT: Final = -1  # of firmware/dredkit/include/dredkit/status.h
ERR_ORDER: Final = -5
# A board decodes by ops alone, so that each op does one thing and is compared and timed by itself.
BOARD_CONFIG: Final = ReceiverConfig(chunks_a_call=0)


@dataclass(frozen=True)
class DecoderModel(ModelFile):
    """The networks with their entropy tables, the voice, and the predictor if there is one."""

    networks: DecoderNetworks
    voice: VoiceModel
    predictor: QuantisedModel | None = None

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""
        parts = {
            "start": self.networks.start.to_bytes(),
            "step": self.networks.step.to_bytes(),
            "tables": self.networks.tables.to_bytes(),
            "voice": voice_bytes(self.voice),
        }
        if self.predictor is not None:
            parts["predictor"] = self.predictor.to_bytes()
        return join_parts(FORMAT, parts)

    @staticmethod
    def load(path: Path) -> "DecoderModel":
        """Read a file written by `save`; raises InputError if it is anything else."""
        parts = read_parts(path, FORMAT, ("start", "step", "tables", "voice"), ("predictor",))
        networks = DecoderNetworks(
            QuantisedModel.for_graph(
                parts["start"], f"{path}, initial network", rdovae_decoder_init()
            ),
            QuantisedModel.for_graph(parts["step"], f"{path}, RDO-VAE decoder", rdovae_decoder()),
            EntropyTables.from_bytes(parts["tables"], str(path)),
        )
        predictor = parts.get("predictor")
        return DecoderModel(
            networks,
            read_voice(parts["voice"], f"{path}, voice"),
            None if predictor is None else read_predictor(predictor, f"{path}, predictor"),
        )

    def receiver(self, config: ReceiverConfig | None = None, rate: int = VOICE_RATE) -> Receiver:
        """Return a receiver that has heard nothing yet, playing `rate` samples a second."""
        return Receiver(
            Redundancy(self.networks), speaker(self.voice), config, rate, self.predictor
        )


@dataclass(frozen=True)
class Hear:
    """Good samples: int16 [320]."""

    pcm: Ints


@dataclass(frozen=True)
class Take:
    """A payload; its packet's first sample comes `ahead` samples after the next one."""

    ahead: int
    data: bytes


@dataclass(frozen=True)
class Chunk:
    """Decode up to `most` chunks, newest first."""

    most: int = 1


@dataclass(frozen=True)
class Speak:
    """Speak 320 samples."""


@dataclass(frozen=True)
class Refuse:
    """A request that is none of the above, or that does not fit; `status` says which."""

    status: int = ERR_ARGUMENT


Op = Hear | Take | Chunk | Speak | Refuse


@dataclass(frozen=True)
class Answer:
    """The result of an op.

    `status` is DK_OK or the firmware's error. `chunks` is how many the payload has, `wanted` how
    many more of them are of use. `values` are 320 samples (Hear, Speak), or four feature vectors
    per chunk, then zeros (Chunk); they are zeros for a payload or a refused op. `layers` has every
    node's output, by name; `of_chunk` gives the names for the op's second chunk and later ones.
    """

    status: int
    chunks: int
    wanted: int
    values: Ints
    layers: dict[str, Ints]


def run_decoder(model: DecoderModel, ops: Sequence[Op]) -> list[Answer]:
    """Run a list of ops through a new receiver and return an answer for each."""
    receiver = model.receiver(BOARD_CONFIG)
    return [_answer(receiver, op) for op in ops]


def _answer(receiver: Receiver, op: Op) -> Answer:
    status = 0
    values = np.zeros(STEP, np.int64)
    layers: dict[str, Ints] = {}
    try:
        if isinstance(op, Hear):
            values = receiver.hear(op.pcm)
        elif isinstance(op, Speak):
            values = receiver.speak()
        elif isinstance(op, Chunk):
            found = receiver.decode(op.most).reshape(-1)
            values[: len(found)] = found
            layers = receiver.layers
        elif isinstance(op, Take):
            receiver.payload(op.ahead, op.data)
            layers = receiver.layers
        else:
            status = op.status
    except OrderError:
        status = ERR_ORDER
    except PayloadError as error:
        status = error.status
    return Answer(status, receiver.chunks, receiver.chunks_wanted, values, layers)
