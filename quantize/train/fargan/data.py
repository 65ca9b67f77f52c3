# SPDX-License-Identifier: BSD-3-Clause
"""Prepared speech on disk as batches for FARGAN: stretches that begin as a gap does.

A stretch is one frame of real samples, with a frame of real samples before it, and then frames
to be spoken. Its features are as they arrive: clean, or coded by the RDO-VAE at some level, and
sometimes repeated where a payload does not reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantize.errors import InputError
from quantize.features.floats import FEATURES
from quantize.files.array_file import map_array
from quantize.files.reading import file_bytes
from quantize.files.write import open_whole
from quantize.near import near
from quantize.networks.fargan import AFTER, BEFORE, FRAME, STEPS
from quantize.plc.concealment import ATTENUATION
from quantize.train.rdovae.loop import PACKET, packets
from quantize.train.rdovae.rate import SLOPES, level_law, squeeze
from quantize.train.rdovae.score import Checkpoint, load_checkpoint
from quantize.train.recordings import load_speech

F32 = NDArray[np.float32]
F16 = NDArray[np.float16]

PACKET_FRAMES = 4 * PACKET  # frames that one payload covers
PAST = FRAME  # real samples before the first frame; a voice gets no more
VARIANTS = 2  # versions of coded features of each recording
_PREEMPHASIS = 0.85
_LEAD = FRAME // 2  # a frame's samples lie around the middle of its analysis window
_GAIN_TO_C0 = 2 * np.sqrt(18.0)  # what a factor of ten in amplitude adds to c0
_LOUDEST = 0.98
_PIECE = 20 * PACKET_FRAMES  # frames that are encoded in one go


class Batch(NamedTuple):
    """Input and answer of a training step."""

    features: Tensor  # [batch, frames + 2, 20], from one frame before the known one to one ahead
    past: Tensor  # [batch, 160] signal before the known frame, as it was heard
    known: Tensor  # [batch, 160] signal of the known frame, as it was heard
    target: Tensor  # [batch, 160 + 160 * frames] clean signal, past and known frame included
    noise: Tensor  # [batch, 4 * frames, values] within +-1


class Recording(NamedTuple):
    """One recording with its features, clean and coded."""

    pcm: NDArray[np.int16]
    features: F32  # [frames, 20]
    coded: F16 | None  # [VARIANTS, frames, 20]
    weight: float = 1.0  # how many times as often as by its length it is drawn


class Arrival(NamedTuple):
    """How features and samples differ from clean ones, as shares of stretches."""

    coded: float = 0.7
    repeated_before: float = 0.1  # the oldest frames lie before the payload's reach
    repeated_after: float = 0.1  # the newest lie after it
    louder: float = 0.5  # another level
    hiss: float = 0.5  # noise on the samples that were heard


class GapSampler:
    """Draws stretches of speech; the draw depends on the step alone."""

    def __init__(
        self, recordings: list[Recording], seed: int, noise: int, arrival: Arrival | None = None
    ) -> None:
        if not recordings:
            raise InputError("no speech to train on: run `dredkit train data` first")
        for recording in recordings:
            if len(recording.features) != len(recording.pcm) // FRAME:
                raise InputError("features and samples differ in length: prepare the data again")
        self.recordings = recordings
        self.seed = seed
        self.noise = noise
        self.arrival = arrival or Arrival()
        lengths = np.array([r.weight * len(r.features) for r in recordings], np.float64)
        self.share = lengths / lengths.sum()

    def batch(self, step: int, size: int, frames: int) -> Batch:
        """Return `size` stretches of `frames` frames, the known one included."""
        rng = np.random.default_rng((self.seed, step))
        told = np.empty((size, frames + BEFORE + AFTER, FEATURES), np.float32)
        signal = np.empty((size, PAST + frames * FRAME), np.float32)
        for row, which in enumerate(rng.choice(len(self.recordings), size, p=self.share)):
            told[row], signal[row] = self._stretch(self.recordings[which], frames, rng)
        heard = signal[:, : PAST + FRAME]
        level = 10 ** rng.uniform(-5, -1.5, size) * (rng.random(size) < self.arrival.hiss)
        loud = np.sqrt(np.mean(heard**2, 1)) * level
        heard = heard + loud[:, None] * rng.standard_normal(heard.shape)
        noise = rng.uniform(-1, 1, (size, STEPS * frames, self.noise))
        parts = (told, heard[:, :PAST], heard[:, PAST:], signal, noise)
        return Batch(*(torch.from_numpy(np.asarray(p, np.float32)) for p in parts))

    def _stretch(
        self, recording: Recording, frames: int, rng: np.random.Generator
    ) -> tuple[F32, F32]:
        first = _start(len(recording.features), frames, rng)
        place = slice(first - BEFORE, first + frames + AFTER)
        told = np.array(recording.features[place], np.float32)
        if recording.coded is not None and rng.random() < self.arrival.coded:
            told = recording.coded[rng.integers(len(recording.coded)), place].astype(np.float32)
        begin = first * FRAME - _LEAD - PAST
        part = recording.pcm[begin - 1 : begin + PAST + frames * FRAME].astype(np.float32) / 32768
        signal: F32 = np.asarray(part[1:] - np.float32(_PREEMPHASIS) * part[:-1], np.float32)
        if rng.random() < self.arrival.louder:
            gain = 10 ** (rng.uniform(-20, 6) / 20)
            gain = min(gain, _LOUDEST / max(float(np.abs(part).max()), 1e-3))
            signal *= np.float32(gain)
            told[:, 0] += np.float32(_GAIN_TO_C0 * np.log10(gain))
        if rng.random() < self.arrival.repeated_before:
            reach = int(rng.integers(1, BEFORE + 3))
            told[:reach] = told[reach]
        if rng.random() < self.arrival.repeated_after:
            _run_out(told, signal, int(rng.integers(1, 5)))
        return told, signal


def _start(length: int, frames: int, rng: np.random.Generator) -> int:
    """Draw the first frame of a stretch whose features come from one payload."""
    count = length // PACKET_FRAMES
    room = PACKET_FRAMES - frames - BEFORE - AFTER
    if count < 2 or room < 0:
        raise InputError(f"a recording of {length} frames is too short for {frames}: drop it")
    # Not from the first payload: samples before it are needed too.
    return int(rng.integers(1, count)) * PACKET_FRAMES + BEFORE + int(rng.integers(room + 1))


def _run_out(told: F32, signal: F32, missing: int) -> None:
    """Repeat the last features for `missing` frames, each quieter, as a receiver does."""
    last = len(told) - missing - 1
    gains = np.ones(len(signal) // FRAME, np.float32)  # of frames from the past one on
    for k in range(1, missing + 1):
        lower = ATTENUATION[k - 1] / 1024
        told[last + k] = told[last]
        told[last + k, 0] -= lower
        if last + k < len(gains):
            gains[last + k] = 10 ** (-lower / _GAIN_TO_C0)
    smooth = np.interp(np.arange(len(signal)), np.arange(len(gains)) * FRAME + _LEAD, gains)
    signal *= smooth.astype(np.float32)


def load_recordings(
    folder: Path, part: str, rdovae: Path, more: Mapping[str, float] | None = None
) -> list[Recording]:
    """Return the recordings of a part with coded features; see load_speech.

    Features coded by the checkpoint `rdovae` are kept beside the clean ones, and made where they
    are absent. `more` says how many times as often the recordings of a source are drawn. Raises
    InputError for a source in `more` that has no recordings.
    """
    checkpoint = load_checkpoint(rdovae)
    mark = hashlib.sha256(file_bytes(rdovae, "give a checkpoint")).hexdigest()[:8]
    more, found = more or {}, []
    speech = load_speech(folder, part)
    known = sorted({name.split("/")[0] for name in speech})
    for source in more:
        if source not in known:
            raise InputError(f"no speech of {source} under {folder}{near(source, known)}")
    for name, (pcm, features) in speech.items():
        if len(features) < 2 * PACKET_FRAMES:
            continue
        coded = _coded(folder / f"{name}.coded-{mark}.npy", checkpoint, features)
        found.append(Recording(pcm, features, coded, more.get(name.split("/")[0], 1.0)))
    return found


def _coded(path: Path, checkpoint: Checkpoint, features: F32) -> F16:
    """Return the coded features in a file, which is made if it is absent or of other features."""
    shape = (VARIANTS, None, FEATURES)
    if path.is_file():
        kept = map_array(path, np.float16, shape, "delete it")
        if kept.shape[1] == len(features):
            return kept
    with open_whole(path) as stream:
        np.save(stream, code(checkpoint, features))
    return map_array(path, np.float16, shape, "delete it")


def code(checkpoint: Checkpoint, features: F32, seed: int = 5) -> F16:
    """Return features [frames, 20] as payloads of one second carry them, [VARIANTS, frames, 20].

    Each payload has a level and a slope of its own. Frames beyond the last whole payload stay
    clean.
    """
    result = np.repeat(features[None].astype(np.float16), VARIANTS, 0)
    whole = len(features) // PACKET_FRAMES * PACKET_FRAMES
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for begin in range(0, whole, _PIECE):
            end = min(begin + _PIECE, whole)
            frames = torch.from_numpy(np.array(features[begin:end], np.float32))[None]
            latents, states, _ = checkpoint.encoder(frames.reshape(1, -1, 2 * FEATURES))
            _, latents, states = packets(frames, latents, states)
            for variant in range(VARIANTS):
                got = _through(checkpoint, latents, states, draw)
                result[variant, begin:end] = got.numpy().astype(np.float16)
    return result


def _through(
    checkpoint: Checkpoint, latents: Tensor, states: Tensor, draw: torch.Generator
) -> Tensor:
    """Quantise and decode packets, latents [n, 25, 25] and states [n, 50]; return [100 n, 20]."""
    count = len(latents)
    first = torch.randint(len(checkpoint.tables["latent_scale"]), (count,), generator=draw)
    slope = torch.randint(-4, len(SLOPES), (count,), generator=draw).clamp(min=0)
    level = level_law(first, slope, PACKET)
    restored = []
    for vector, values, rows in (("latent", latents, level), ("state", states, first)):
        row = checkpoint.table(vector).at(rows)
        coded = (row.r > 0) & (row.p0 < 255 / 256)
        symbols = torch.floor(0.5 + squeeze(values, row)) * coded
        restored.append(symbols / row.scale.clamp(min=1 / 256))
    side = (level / 8 - 1)[..., None]
    memory = checkpoint.decoder.start(restored[1])
    output, _ = checkpoint.decoder(torch.cat([restored[0], side], 2), memory)
    in_time: Tensor = output.view(count, PACKET, 4, FEATURES).flip(1, 2).reshape(-1, FEATURES)
    return in_time
