# SPDX-License-Identifier: BSD-3-Clause
"""The stages that a board can run: one network fed with features, the sender, the receiver."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quantize import integer
from quantize.codec import sender as encoder
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import HEARD_RATE, EncoderModel, run_encoder, step_samples, voiced
from quantize.dred.history import Rate
from quantize.dred.tables import LATENTS, STATES
from quantize.errors import InputError
from quantize.features.floats import extract
from quantize.nn.calibrate import steps
from quantize.nn.model import QuantisedModel
from quantize.nn.run import run_integer
from toolkit.common.wire import WIRE
from toolkit.models.saved import Model
from toolkit.speech.audio import read_speech
from toolkit.stages.base import HASH_BYTES, Int16s, Reference, Stage
from toolkit.stages.receiver import DecoderStage
from toolkit.stages.sending import Sending

__all__ = [
    "HASH_BYTES",
    "DecoderStage",
    "EncoderStage",
    "Int16s",
    "NetworkStage",
    "Reference",
    "Stage",
    "stage_of",
]

_REQUEST, _ANSWER = WIRE.records["sender_request"], WIRE.records["sender_answer"]


class NetworkStage(Stage):
    """One network, fed with features computed on the host."""

    def __init__(self, model: QuantisedModel) -> None:
        graph = model.graph
        self.model = model
        self.name = graph.name
        self.hash = model.hash
        self.networks = (model,)
        self.layers = [(node.name, node.output.size) for node in graph.nodes]
        self.input_bytes = sum(graph.held_bytes(name) for name in graph.inputs)
        self.output_bytes = sum(graph.held_bytes(name) for name in graph.outputs)

    def inputs(self, audio: Path) -> Int16s:
        (name,) = self.model.graph.inputs
        real = steps(extract(read_speech(audio)), self.model.graph)
        return integer.to_fixed(real, self.model.frac[name]).astype("<i2")

    def reference(self, inputs: Int16s) -> Reference:
        graph = self.model.graph
        run = run_integer(self.model, inputs.astype(np.int64))
        layers = {name: values.astype("<i2") for name, values in run.items()}
        writers = {node.output.buffer: node.name for node in graph.nodes}
        return Reference(layers, {name: layers[writers[name]] for name in graph.outputs})

    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        words = np.array([np.frombuffer(row, "<i2") for row in rows])
        tables: dict[str, Int16s] = {}
        at = 0
        for name in self.model.graph.outputs:
            size = self.model.graph.buffers[name]
            tables[name] = words[:, at : at + size]
            at += size
        return tables


class EncoderStage(Stage):
    """The whole sender: PCM in, payloads out, with the settings `sending` at every step.

    Its name, which a board sends in its hello, includes the input rate that it was built for.
    """

    rest = "payload"

    def __init__(self, model: EncoderModel, sending: Sending | None = None) -> None:
        self.model = model
        self.sending = sending or Sending()
        self.input_rate = self.sending.input_rate
        self.samples = step_samples(self.input_rate)
        self.name = "encoder"
        if self.input_rate != HEARD_RATE:
            self.name += f"-{self.input_rate // 1000}k"
        self.hash = model.hash
        self.networks = (model.pitch, model.rdovae)
        self.layers = encoder.layer_sizes(model)
        self.settling = self.sending.settling
        self.input_bytes = 2 * self.samples + _REQUEST.layout.size
        self.output_bytes = _ANSWER.layout.size + encoder.DEFAULT_BYTES + 2 * (LATENTS + STATES)

    @property
    def settings(self) -> dict[str, int | bool]:
        sending = self.sending
        return {"input_rate": self.input_rate, **vars(sending.rate), "vad": sending.vad}

    def inputs(self, audio: Path) -> Int16s:
        pcm = read_speech(audio, self.input_rate)
        count = len(pcm) // self.samples
        voices = voiced(pcm, self.input_rate) if self.sending.vad else [True] * count
        asked = b"".join(
            _REQUEST.pack(**vars(self.sending.rate), voice=int(voice), reserved=0)
            for voice in voices
        )
        words = np.frombuffer(asked, "<i2").reshape(count, _REQUEST.layout.size // 2)
        samples = pcm[: count * self.samples].reshape(count, self.samples)
        return np.concatenate([samples, words], axis=1).astype("<i2")

    def reference(self, inputs: Int16s) -> Reference:
        rates, voices = [], []
        for row in inputs[:, self.samples :]:
            asked = _REQUEST.unpack(row.astype("<i2").tobytes())
            assert asked is not None
            voices.append(asked.pop("voice") != 0)
            del asked["reserved"]
            rates.append(Rate(**asked))
        pcm = np.ascontiguousarray(inputs[:, : self.samples]).reshape(-1).astype(np.int16)
        run = run_encoder(self.model, pcm, rates, voices, self.input_rate)
        layers = {name: values.astype("<i2") for name, values in run.layers.items()}
        writers = {node.output.buffer: node.name for node in self.model.rdovae.graph.nodes}
        vectors = [layers[writers[name]] for name in ("latents", "initial_state")]
        rows = [
            _ANSWER.pack(
                length=len(payload),
                room=payload.ljust(encoder.DEFAULT_BYTES, b"\0")
                + b"".join(table[step].tobytes() for table in vectors),
            )
            for step, payload in enumerate(run.payloads)
        ]
        return Reference(layers, self.outputs(rows))

    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        data = np.array([np.frombuffer(row, np.uint8) for row in rows])
        ends = np.cumsum([_ANSWER.layout.size, encoder.DEFAULT_BYTES, 2 * LATENTS])
        length, payload, latents, state = np.split(data, ends, axis=1)
        return {
            "latents": np.ascontiguousarray(latents).view("<i2"),
            "initial_state": np.ascontiguousarray(state).view("<i2"),
            "payload_length": np.ascontiguousarray(length).view("<i2"),
            "payload": payload.astype(np.int16),
        }


def stage_of(
    model: Model,
    sending: Sending | None = None,
    sender: EncoderModel | None = None,
    batch: int = 1,
) -> Stage:
    """Return the stage that runs a model, a sender as `sending` asks.

    A sender runs with the settings `sending`. The payloads of a receiver come from `sender`, which
    also runs with `sending`; the receiver decodes up to `batch` chunks at once. Raises InputError
    for a setting that this kind of model does not have.
    """
    if batch != 1 and not isinstance(model, DecoderModel):
        raise InputError(f"--batch {batch}: only a receiver decodes chunks: add --stage decoder")
    if isinstance(model, EncoderModel):
        return EncoderStage(model, sending)
    if isinstance(model, DecoderModel):
        return DecoderStage(model, sender, sending, batch=batch)
    if sending not in (None, Sending()):
        raise InputError(
            f"{model.graph.name} is one network, without input rate, payload or voice decision: "
            "leave out the options for them, or take the whole encoder"
        )
    return NetworkStage(model)
