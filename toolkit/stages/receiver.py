# SPDX-License-Identifier: BSD-3-Clause
"""The receiver as a stage: ops in, samples out, both laid out as toolkit/common/wire.toml says.

One op is one step of the board. Payloads come from the normative sender on the host.
"""

from collections.abc import Sequence
from enum import IntEnum
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from quantize.codec.receiver import OUTPUT_RATES, STEP, VOICE_RATE
from quantize.codec.receiver_model import (
    BOARD_CONFIG,
    Answer,
    Chunk,
    DecoderModel,
    Hear,
    Op,
    Refuse,
    Speak,
    Take,
    run_decoder,
)
from quantize.codec.redundancy import of_chunk
from quantize.codec.sender import HEARD_RATE, EncoderModel, run_encoder, voiced
from quantize.errors import InputError
from quantize.nn.batch import check_batch
from quantize.vocoder.voices import voice_class
from toolkit.common.wire import WIRE, Record, Status
from toolkit.speech.audio import read_speech
from toolkit.stages.base import Int16s, Playback, Reference, Stage
from toolkit.stages.gaps import CODEC_DELAY, default_losses, delayed, script
from toolkit.stages.sending import Sending

_OP, _ANSWER = WIRE.records["receiver_op"], WIRE.records["receiver_answer"]
_BODY_BYTES = 2 * STEP  # of an op and of an answer
ROOM = _BODY_BYTES  # for a payload


class Kind(IntEnum):
    """The ops of a receiver by their number on the wire."""

    HEAR = WIRE.ops["hear"]
    PAYLOAD = WIRE.ops["payload"]
    CHUNK = WIRE.ops["chunks"]
    SPEAK = WIRE.ops["speak"]


# Packets over which the voice speaks on after a gap, and those with its fade.
_OVER = BOARD_CONFIG.over_ms // 20
_RETURN = -(-(BOARD_CONFIG.over_ms + BOARD_CONFIG.fade_ms) // 20)
# The name of an op, by its kind and by whether the voice has just spoken.
_NAMES: dict[tuple[int, bool], str] = {
    (Kind.HEAR, False): "hear",
    (Kind.HEAR, True): "hear after a gap",
    (Kind.PAYLOAD, False): "payload",
    (Kind.PAYLOAD, True): "payload",
    (Kind.SPEAK, False): "first speak",
    (Kind.SPEAK, True): "speak",
}


class DecoderStage(Stage):
    """The whole receiver. `inputs` needs a `sender`, which runs with the settings `sending`."""

    name = "decoder"

    def __init__(
        self,
        model: DecoderModel,
        sender: EncoderModel | None = None,
        sending: Sending | None = None,
        losses: Sequence[bool] | None = None,
        batch: int = 1,
        output_rate: int = VOICE_RATE,
    ) -> None:
        """Make the stage; `losses` says of each packet whether it is lost (default_losses if None).

        An op decodes up to `batch` chunks, 1..4. `output_rate` is that of a library for a product;
        the serial server plays 16 kHz. Raises InputError for another batch or rate, and for a
        `sender` or `sending` that does not fit the receiver.
        """
        if output_rate not in OUTPUT_RATES:
            raise InputError(f"--output-rate {output_rate}: a receiver plays 16000 or 48000")
        if sender is not None and sender.tables.to_bytes() != model.networks.tables.to_bytes():
            raise InputError("sender and receiver are of two models: their entropy tables differ")
        if sending is not None and sending.input_rate != HEARD_RATE:
            raise InputError(f"--input-rate {sending.input_rate}: a receiver plays {HEARD_RATE} Hz")
        self.model = model
        self.sender = sender
        self.sending = sending or Sending()
        check_batch(model.networks.step.graph, batch)
        self.losses = losses
        self.batch = batch
        self.output_rate = output_rate
        self.hash = model.hash
        self.networks = (model.networks.start, model.networks.step)
        if model.predictor is not None:
            self.networks = (*self.networks, model.predictor)
        self.layers = [(n.name, n.output.size) for n in model.networks.start.graph.nodes]
        self.layers += [
            (of_chunk(n.name, chunk), n.output.size)
            for chunk in range(batch)
            for n in model.networks.step.graph.nodes
        ]
        self.input_bytes = _OP.layout.size + _BODY_BYTES
        self.output_bytes = _ANSWER.layout.size + _BODY_BYTES

    @property
    def settings(self) -> dict[str, int | bool]:
        """The settings of its sender, and how many chunks are decoded at once."""
        return {**vars(self.sending.rate), "vad": self.sending.vad, "batch": self.batch}

    @property
    def source(self) -> dict[str, str]:
        """Where the weights came from, including those of the voice."""
        voice = self.model.voice
        told = {"name": voice} if isinstance(voice, str) else voice.source
        return {**super().source, **{f"voice.{key}": value for key, value in told.items()}}

    def voice_frames(self, kind: str) -> tuple[int, int] | None:
        voice = voice_class(self.model.voice)
        frames = {
            "hear after a gap": (2, 2),
            "first speak": (2 + voice.KNOWN_FRAMES, voice.CONTEXT + 2 + voice.KNOWN_FRAMES),
            "speak": (2, 2),
        }
        return frames.get(kind)

    def inputs(self, audio: Path) -> Int16s:
        return self.inputs_for(read_speech(audio))

    def inputs_for(self, pcm: Int16s, skip: int = 0) -> Int16s:
        """Return the inputs for int16 PCM at 16 kHz, with payloads of the sender and lost packets.

        The sender hears all of the PCM; the receiver gets the packets from number `skip` on.
        """
        if self.sender is None:
            raise InputError("a receiver alone makes no payloads: give the sender's model as well")
        packets = len(pcm) // STEP
        voice = voiced(pcm) if self.sending.vad else [True] * packets
        run = run_encoder(self.sender, pcm, [self.sending.rate] * packets, voice)
        return self.inputs_of(pcm[skip * STEP :], run.payloads[skip:])

    def inputs_of(self, pcm: Int16s, payloads: Sequence[bytes]) -> Int16s:
        """Return the inputs for int16 PCM at 16 kHz whose packets of 20 ms carry these payloads."""
        packets = len(payloads)
        if packets > len(pcm) // STEP:
            raise InputError(
                f"{packets} packets have payloads, the recording has {len(pcm) // STEP}: give the "
                "one that they were made of"
            )
        lost = default_losses(packets) if self.losses is None else list(self.losses)
        if len(lost) != packets:
            raise InputError(f"{packets} packets, but {len(lost)} are said to be lost or not")
        tables = self.model.networks.tables
        voice = voice_class(self.model.voice)
        return rows_of(script(delayed(pcm, packets), payloads, lost, tables, voice, self.batch))

    def playback(self, inputs: Int16s, outputs: dict[str, Int16s]) -> Playback:
        kinds: list[str] = []
        slots: list[int] = []
        lost: list[bool] = []
        plays: list[bool] = []
        over = 0  # packets that are still spoken over or faded into
        going_on = 0  # packets over which the voice speaks before it fades: a gap goes on with it
        for row in inputs:
            op = _fields(_OP, row.astype("<i2").tobytes())
            kind = op["kind"]
            spoke = over > 0 if kind == Kind.HEAR else going_on > 0
            kinds.append(_name_of(kind, op["most"], spoke))
            if kind in (Kind.HEAR, Kind.SPEAK):
                over = _RETURN if kind == Kind.SPEAK else max(over - 1, 0)
                going_on = _OVER + 1 if kind == Kind.SPEAK else max(going_on - 1, 0)
            slots.append(len(lost))
            plays.append(kind in (Kind.HEAR, Kind.SPEAK))
            if plays[-1]:
                lost.append(kind == Kind.SPEAK)
        slots = [min(slot, max(len(lost) - 1, 0)) for slot in slots]
        gaps = []
        for gone, group in groupby(range(len(lost)), key=lambda slot: lost[slot]):
            packets = list(group)
            if gone:
                gaps.append((packets[0], len(packets)))
        return Playback(kinds, slots, gaps, CODEC_DELAY, outputs["values"][plays].reshape(-1))

    def reference(self, inputs: Int16s) -> Reference:
        rows = [_fields(_OP, row.astype("<i2").tobytes()) for row in inputs]
        answers = run_decoder(self.model, [op_of(row, self.batch) for row in rows])
        layers = {
            name: np.array([a.layers.get(name, np.zeros(size)) for a in answers]).astype("<i2")
            for name, size in self.layers
        }
        return Reference(layers, self.outputs([_row_of(answer) for answer in answers]))

    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        answers = [_fields(_ANSWER, row) for row in rows]
        return {
            "status": np.array([[a["status"]] for a in answers], np.int16),
            "chunks": np.array([[a["chunks"], a["wanted"]] for a in answers], np.int16),
            "values": np.array([np.frombuffer(a["values"], "<i2") for a in answers]),
        }


def rows_of(ops: Sequence[Hear | Take | Chunk | Speak]) -> Int16s:
    """Return the inputs of ops, [steps, 324] int16; InputError for a payload that is too long."""
    return np.array([np.frombuffer(_input_of(op), "<i2") for op in ops])


def _input_of(op: Hear | Take | Chunk | Speak) -> bytes:
    kind, most, ahead, length, body = Kind.SPEAK.value, 0, 0, 0, b""
    if isinstance(op, Hear):
        kind, body = Kind.HEAR, op.pcm.astype("<i2").tobytes()
    elif isinstance(op, Take):
        kind, ahead, length, body = Kind.PAYLOAD, op.ahead, len(op.data), op.data
        if length > ROOM:
            raise InputError(f"a payload of {length} bytes: the firmware has room for {ROOM}")
    elif isinstance(op, Chunk):
        kind, most = Kind.CHUNK, op.most
    body = body.ljust(_BODY_BYTES, b"\0")
    return _OP.pack(kind=kind, most=most, length=length, ahead=ahead, body=body)


def _fields(record: Record, data: bytes) -> dict[str, Any]:
    fields = record.unpack(data)
    assert fields is not None
    return fields


def _name_of(kind: int, most: int, spoke: bool) -> str:
    if kind == Kind.CHUNK:
        return "chunk" if most == 1 else f"{most} chunks"
    return _NAMES.get((kind, spoke), "refused")


def op_of(fields: dict[str, Any], batch: int) -> Op:
    """Return the op that the fields of an input ask for; `batch` is the most chunks of an op."""
    kind, most, length, body = (fields[name] for name in ("kind", "most", "length", "body"))
    if kind == Kind.HEAR:
        return Hear(np.frombuffer(body, "<i2").astype(np.int64))
    if kind == Kind.PAYLOAD:
        return Take(fields["ahead"], body[:length]) if length <= ROOM else Refuse(Status.RANGE)
    if kind == Kind.CHUNK:
        return Chunk(most) if 1 <= most <= batch else Refuse()
    return Speak() if kind == Kind.SPEAK else Refuse()


def _row_of(answer: Answer) -> bytes:
    values = answer.values.astype("<i2").tobytes()
    head = {"status": answer.status, "chunks": answer.chunks, "wanted": answer.wanted}
    return _ANSWER.pack(**head, reserved=0, values=values)
