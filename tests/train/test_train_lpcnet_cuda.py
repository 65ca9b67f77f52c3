# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet's loss and gradients on a GPU against the same on the CPU."""

from pathlib import Path

import pytest
import soundfile
import torch

import toolkit
from quantize.features import floats as extraction
from quantize.networks.lpcnet import Lpcnet, Sizes
from quantize.train.lpcnet.data import Batch, SpeechSampler
from quantize.train.lpcnet.loop import loss_of

pytest.importorskip("triton", reason="this torch came without triton: it is for CPUs")
if not torch.cuda.is_available():
    pytest.skip("no GPU here", allow_module_level=True)


@pytest.mark.parametrize("units", [32, 48, 128])  # 48: run by cuDNN
def test_loss_and_gradients_are_those_of_the_cpu(units: int) -> None:
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0]
    sampler = SpeechSampler([(pcm, extraction.extract(pcm, delay=0))], 1)
    batch = sampler.batch(0, 16, 2)
    torch.manual_seed(units)
    model = Lpcnet(Sizes(conditioning=16, gru_a=units, gru_b=16, pitch=4, embedding=8))
    want = loss_of(model, batch)
    of_cpu = torch.autograd.grad(want, list(model.parameters()))
    model = model.cuda()
    got = loss_of(model, Batch(*(part.cuda() for part in batch)))
    of_gpu = torch.autograd.grad(got, list(model.parameters()))
    assert got.item() == pytest.approx(want.item(), abs=2e-3)
    for one, other in zip(of_gpu, of_cpu, strict=True):
        assert (one.cpu() - other).norm() < 2e-2 * other.norm()
