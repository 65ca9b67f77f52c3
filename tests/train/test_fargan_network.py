# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN in floats: its dependencies, its checkpoints, and the C loops against plain torch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from quantize.errors import InputError
from quantize.networks import fargan_voice
from quantize.networks.fargan import (
    FRAME,
    HISTORY,
    PRESETS,
    Fargan,
    Sizes,
    periods,
    repeat_places,
    sizes_from,
    step_periods,
)
from quantize.networks.fargan_checkpoint import read_fargan, save_fargan
from quantize.networks.tensors import read_tensors, write_tensors
from quantize.train.fargan.ops import can_speak, speak_steps

SMALL = Sizes(conditioning=16, first=32, gru=(32, 16, 16), skip=16, noise=4, dense=16, conv=16)
FRAMES = 3


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make(sizes: Sizes = SMALL, seed: int = 1) -> Fargan:
    """Return a network with biases that matter and a loud output."""
    torch.manual_seed(seed)
    model = Fargan(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.normal_(0, 0.1)
        model.gain.bias.fill_(-1)
    return model


def inputs(model: Fargan, rows: int, seed: int = 2) -> tuple[Tensor, ...]:
    """Return features [rows, frames + 2, 20], past, known signal and noise."""
    draw = torch.Generator().manual_seed(seed)
    features = 0.5 * torch.randn(rows, FRAMES + 2, 20, generator=draw)
    past, known = (0.3 * torch.randn(rows, FRAME, generator=draw) for _ in range(2))
    noise = 2 * torch.rand(rows, 4 * FRAMES, model.sizes.noise, generator=draw) - 1
    return features, past, known, noise


def speak(model: Fargan, features: Tensor, past: Tensor, known: Tensor, noise: Tensor) -> Tensor:
    with torch.no_grad():
        conditioning, period = model.condition(features), step_periods(features)
        spoken, _ = model(conditioning, period, model.begin(past), noise, known)
    return torch.as_tensor(spoken)


def test_the_presets_have_the_sizes_they_promise() -> None:
    edge, opus = (Fargan(PRESETS[name]) for name in ("edge", "opus"))
    assert edge.first.weight.shape == (96, 2 * (64 + 44 + 40 + 8))
    assert [cell.hidden_size for cell in edge.gru] == [96, 64, 64]
    assert 300_000 < sum(p.numel() for p in edge.parameters()) < 330_000
    # The layers of libopus' blob fargan.bin.
    shapes = {name: tuple(layer.weight.shape) for name, layer in opus.layers().items()}
    assert shapes["sig_net_fwc0_conv"] == (192, 328)
    assert shapes["sig_net_gru1_input"] == (480, 272)
    assert shapes["sig_net_skip_dense"] == (128, 688)
    assert shapes["cond_net_fconv1"] == (128, 192)
    assert shapes["cond_net_fdense2"] == (320, 128)


def test_a_frame_sees_one_frame_ahead_and_none_later() -> None:
    model = make()
    features, past, known, noise = inputs(model, 2)
    whole = speak(model, features, past, known, noise)
    assert whole.shape == (2, FRAMES * FRAME)
    # Spoken frame i depends on features i .. i + 2 of these.
    for frame in range(FRAMES):
        later = features.clone()
        later[:, frame + 3 :] += 1
        changed = speak(model, later, past, known, noise)
        end = (frame + 1) * FRAME
        assert torch.equal(changed[:, :end], whole[:, :end])
        if frame < FRAMES - 1:
            assert not torch.equal(changed[:, end : end + FRAME], whole[:, end : end + FRAME])


def test_known_samples_shape_what_follows_but_not_what_is_said_in_their_place() -> None:
    model = make()
    features, past, known, noise = inputs(model, 2)
    whole = speak(model, features, past, known, noise)
    other = speak(model, features, past, -known, noise)
    assert torch.equal(other[:, :40], whole[:, :40])
    assert not torch.equal(other[:, FRAME:], whole[:, FRAME:])


def test_frame_by_frame_equals_all_at_once() -> None:
    model = make()
    features, past, _, noise = inputs(model, 2)
    with torch.no_grad():
        conditioning, period = model.condition(features), step_periods(features)
        whole, _ = model(conditioning, period, model.begin(past), noise)
        memory, parts = model.begin(past), []
        for t in range(FRAMES):
            part = slice(4 * t, 4 * t + 4)
            said, memory = model(conditioning[:, part], period[:, part], memory, noise[:, part])
            parts.append(said)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)


def test_the_repeated_period_wraps_and_stays_within_the_history() -> None:
    history = torch.arange(HISTORY)
    long = history[repeat_places(torch.tensor([256]))[0]]
    assert long[:4].tolist() == [0, 0, 0, 1]  # two before the oldest sample do not exist
    short = history[repeat_places(torch.tensor([32]))[0]]
    assert short[:3].tolist() == [222, 223, 224]
    assert short[33:36].tolist() == [255, 224, 225]
    octaves = torch.tensor([-1.5, 1.5, 5.0, -9.0, 0.0])
    assert periods(octaves).tolist() == [256, 32, 32, 256, 91]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("sizes", "rows"), [(SMALL, 8), (PRESETS["edge"], 8), (SMALL, 16)])
def test_the_c_loops_and_their_gradients_equal_plain_torch(
    sizes: Sizes, rows: int, rounded: bool
) -> None:
    model = make(sizes)
    model.rounded = rounded
    features, past, known, noise = inputs(model, rows)
    weight = torch.randn(rows, FRAMES * FRAME, generator=torch.Generator().manual_seed(3))
    exact = rows % 16 != 0  # otherwise a CPU with matrix tiles rounds factors to bfloat16

    def gradients(spoken: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        (spoken * weight).sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    conditioning, period = model.condition(features), step_periods(features)
    plain, _ = model(conditioning, period, model.begin(past), noise, known)
    want = gradients(plain)
    conditioning = model.condition(features)
    fused = speak_steps(model, conditioning, period, past, noise, known)
    got = gradients(fused)
    assert got.keys() == want.keys()
    if exact:
        assert torch.allclose(fused, plain, atol=2e-6)
    # Values that clip or round differently at an edge have another gradient.
    limit = {(True, False): 1e-2, (True, True): 0.1, (False, False): 0.05, (False, True): 0.2}
    for name, value in want.items():
        error = (got[name] - value).norm() / (value.norm() + 1e-9)
        assert error < limit[exact, rounded], name


def test_the_c_loops_refuse_what_they_cannot_do() -> None:
    model = make()
    assert can_speak(model, 8)
    assert not can_speak(model, 7)
    assert not can_speak(make(replace(SMALL, skip=24)), 8)
    features, past, known, noise = inputs(model, 3)
    with pytest.raises(InputError, match="3 rows: the C loops want a multiple of 8"):
        speak_steps(model, model.condition(features), step_periods(features), past, noise, known)


def test_a_checkpoint_gives_the_same_voice_back(tmp_path: Path) -> None:
    model = make()
    path = tmp_path / "voice.safetensors"
    save_fargan(path, model, {"steps": "3"})
    again = read_fargan(path)
    assert again.sizes == SMALL
    given = inputs(model, 2)
    assert torch.equal(speak(again, *given), speak(model, *given))
    # GRU gates are stored z, r, h; torch has r, z, h.
    stored = read_tensors(path)["sig_net_gru2_input.weight"]
    mine = model.gru[1].get_parameter("weight_ih")
    assert torch.equal(stored[:16], mine[16:32])
    with pytest.raises(InputError, match="other sizes"):
        read_fargan(path, PRESETS["edge"])


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "voice.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        read_fargan(path)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="damaged"):
        read_fargan(path)
    write_tensors(path, {"x": torch.zeros(1)}, {})
    with pytest.raises(InputError, match="carries no FARGAN sizes"):
        read_fargan(path)
    save_fargan(path, make(), {})
    tensors = read_tensors(path)
    for key in ("cond_net_pembed.weight", "sig_net_skip_dense.bias"):
        model = make()
        with pytest.raises(InputError, match=key):
            model.load({name: value for name, value in tensors.items() if name != key})
    for bad in ({}, {"gru": 3}, {"gru": [1, 2], "skip": 3}):
        with pytest.raises(InputError, match="no FARGAN sizes"):
            sizes_from(bad)


def test_voices_speak_together_as_they_do_alone() -> None:
    model = make()
    rng = np.random.default_rng(4)
    told = [rng.normal(0, 0.5, (n, 20)).astype(np.float32) for n in (4, 2)]
    both = fargan_voice.synthesise_many(model, told, seed=5)
    assert [len(pcm) for pcm in both] == [640, 320]
    assert all(np.ptp(pcm) > 100 for pcm in both)
    for i, alone in enumerate(told):
        (pcm,) = fargan_voice.synthesise_many(model, [alone], seed=5 + i)
        assert np.abs(pcm.astype(int) - both[i]).max() <= 1
