# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints of xiph's torch LPCNet, written here in that format, and a plain torch forward."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from quantize.errors import InputError
from quantize.networks.lpcnet_batch import Network, Variant, synthesise_many
from quantize.networks.lpcnet_checkpoint import (
    integer_tensors,
    load_lpcnet,
    restore,
    save_lpcnet,
)
from toolkit.commands.import_ import command
from toolkit.models.importers.lpcnet_torch import densities, read_lpcnet_torch

A, B, WIDTH, PITCH, EMBED = 24, 16, 12, 5, 6
FRAMES = 3


def config(**changes: Any) -> dict[str, Any]:
    """Return the default set-up of that training, with small sizes."""
    found: dict[str, Any] = {
        "frame_size": 160,
        "gru_a_units": A,
        "gru_b_units": B,
        "feature_conditioning_dim": WIDTH,
        "feature_conv_kernel_size": 3,
        "period_levels": 257,
        "period_embedding_dim": PITCH,
        "signal_embedding_dim": EMBED,
        "signal_levels": 256,
        "feature_dimension": 19,
        "output_levels": 256,
        "lpc_gamma": 0.9,
        "features": ["cepstrum", "periods", "pitch_corr"],
        "signals": ["last_signal", "prediction", "last_error"],
        "input_layout": {
            "signals": {"last_signal": 0, "prediction": 1, "last_error": 2},
            "features": {"cepstrum": [0, 18], "pitch_corr": [18, 19]},
        },
        "target": "error",
        "feature_history": 2,
        "feature_lookahead": 2,
        "hsampling": True,
        "sparsification": {"gru_a": {"params": {"W_hr": (0.05, [4, 8], True)}}},
    }
    return {**found, **changes}


class Theirs(nn.Module):
    """The network as that repository describes it, from torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.period_embedding = nn.Embedding(257, PITCH)
        self.feature_conv1 = nn.Conv1d(19 + PITCH, WIDTH, 3)
        self.feature_conv2 = nn.Conv1d(WIDTH, WIDTH, 3)
        self.feature_dense1 = nn.Linear(WIDTH, WIDTH)
        self.feature_dense2 = nn.Linear(WIDTH, WIDTH)
        self.signal_embedding = nn.Embedding(256, EMBED)
        self.gru_a = nn.GRU(3 * EMBED + WIDTH, A, batch_first=True)
        self.gru_b = nn.GRU(A + WIDTH, B, batch_first=True)
        self.dual_fc = nn.ModuleDict({"dense1": nn.Linear(B, 256), "dense2": nn.Linear(B, 256)})
        self.dual_fc.alpha = nn.Parameter(torch.tensor([2.5]))
        self.dual_fc.beta = nn.Parameter(torch.tensor([-1.5]))

    def conditioning(self, heard: Tensor, periods: Tensor) -> Tensor:
        """Turn features [batch, frames + 4, 19] and their periods into [batch, frames, WIDTH]."""
        x = torch.cat([heard, self.period_embedding(periods)], 2).transpose(1, 2)
        x = torch.tanh(self.feature_conv2(torch.tanh(self.feature_conv1(x)))).transpose(1, 2)
        return torch.tanh(self.feature_dense2(torch.tanh(self.feature_dense1(x))))

    def chances(self, signals: Tensor, conditioning: Tensor, tree: bool) -> Tensor:
        """Return code probabilities [batch, samples, 256] from heard codes [batch, samples, 3]."""
        cond = conditioning.repeat_interleave(160, 1)[:, : signals.shape[1]]
        embedded = self.signal_embedding(signals).flatten(2)
        a = self.gru_a(torch.cat([embedded, cond], 2))[0]
        b = self.gru_b(torch.cat([a, cond], 2))[0]
        fc = self.dual_fc
        out = fc.alpha * torch.tanh(fc["dense1"](b)) + fc.beta * torch.tanh(fc["dense2"](b))
        if not tree:
            return torch.softmax(out, 2)
        first = torch.sigmoid(out)  # the chance of a 0 at each node
        codes = torch.ones_like(out)
        for code in range(256):
            node = 1
            for depth in range(7, -1, -1):
                bit = code >> depth & 1
                codes[..., code] *= 1 - first[..., node] if bit else first[..., node]
                node = 2 * node + bit
        return codes


@pytest.fixture
def theirs() -> Theirs:
    torch.manual_seed(11)
    return Theirs()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, theirs: Theirs) -> Write:
    """Write a checkpoint with a changed config or changed weights."""

    def written(weights: dict[str, Any] | None = None, **changes: Any) -> Path:
        path = tmp_path / "checkpoint_last.pth"
        state = {**theirs.state_dict(), **(weights or {})}
        setup = {"lpcnet": {"config": config(**changes), "model": "lpcnet"}, "training": {}}
        torch.save({"setup": setup, "state_dict": state, "loss": 2.9}, path)
        return path

    return written


def heard() -> tuple[Tensor, Tensor, Tensor]:
    """Return features [1, FRAMES + 4, 20], their periods, and codes heard [1, samples, 3]."""
    draw = torch.Generator().manual_seed(2)
    features = torch.randn(1, FRAMES + 4, 20, generator=draw)
    periods = torch.randint(32, 256, (1, FRAMES + 4), generator=draw)
    features[..., 18] = torch.log2(256 / periods) - 1.5
    return features, periods, torch.randint(256, (1, 2 * 160, 3), generator=draw)


def codes_from_tree(chances: np.ndarray) -> np.ndarray:
    """Return each code's probability [256] from the chance of a 1 at each node."""
    found = np.ones(256)
    for code in range(256):
        node = 1
        for depth in range(7, -1, -1):
            bit = code >> depth & 1
            found[code] *= chances[node] if bit else 1 - chances[node]
            node = 2 * node + bit
    return found


@pytest.mark.parametrize("tree", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_imported_network_computes_what_torch_computes(
    theirs: Theirs, write: Write, tmp_path: Path, tree: bool, order: tuple[int, int, int]
) -> None:
    layout = config()["input_layout"]
    layout["signals"] = dict(zip(("last_signal", "prediction", "last_error"), order, strict=True))
    path = write(hsampling=tree, input_layout=layout)
    features, periods, codes = heard()
    with torch.no_grad():
        told = theirs.conditioning(features[..., [*range(18), 19]], periods)
        placed = torch.empty_like(codes)
        placed[..., list(order)] = codes
        wanted = theirs.chances(placed, told, tree)[0].numpy()

    found = read_lpcnet_torch(path)
    assert found.variant == Variant(lookahead=2, gamma=0.9, softmax=not tree)
    save_lpcnet(tmp_path / "voice.safetensors", found.model, {}, found.variant)
    for model, variant in (
        (found.model, found.variant),
        load_lpcnet(tmp_path / "voice.safetensors"),
    ):
        assert variant == found.variant
        with torch.no_grad():
            conditioning = model.condition(features)
            assert torch.allclose(conditioning, told, atol=1e-6)
            gates = model.cond_to_a(conditioning)[0], model.cond_to_b(conditioning)[0]
        network = Network(model, 1, variant.softmax)
        for t, (last, prediction, excitation) in enumerate(codes[0].tolist()):
            if t % 160 == 0:
                network.begin_frame(*(g[t // 160 : t // 160 + 1].numpy() for g in gates))
            network.code = np.array([excitation])
            network.hear(np.array([[last], [prediction]]))
            if t % 40 == 39:
                got = codes_from_tree(network.chances()[0].astype(np.float64))
                assert np.allclose(got, wanted[t], rtol=2e-4, atol=1e-9), t


def test_it_speaks(write: Write) -> None:
    found = read_lpcnet_torch(write())
    features = heard()[0][0].numpy()
    pcm = synthesise_many(found.model, [features[:2]], seed=1, variant=found.variant)[0]
    assert pcm.shape == (320,)
    assert len(np.unique(pcm)) > 10


def test_the_command_writes_a_voice_that_says_how_it_differs(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "voice.safetensors"
    arguments = [str(write()), "--output", str(output), "--json", "-"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["variant"] == {
        "lookahead": 2,
        "gamma": 0.9,
        "softmax": False,
        "sharpness": 1.0,
        "tail": 0.0,
    }
    assert told["sizes"]["gru_a"] == A
    assert "the integer voice does not" in done.stderr
    with pytest.raises(InputError, match=r"lookahead is 2, the integer voice has 1"):
        integer_tensors(output)


def test_one_frame_of_lookahead_and_a_tree_are_ours(write: Write, tmp_path: Path) -> None:
    path = write(feature_lookahead=1, feature_history=3, lpc_gamma=1)
    found = read_lpcnet_torch(path)
    assert found.variant == Variant()
    output = tmp_path / "voice.safetensors"
    save_lpcnet(output, found.model, {}, found.variant)
    tensors = integer_tensors(output)
    assert {name: value.shape for name, value in tensors.items()} == {
        name: tuple(value.shape) for name, value in found.model.export().items()
    }
    again = restore({name: torch.from_numpy(value) for name, value in tensors.items()}, "")
    for name, value in again.export().items():
        assert np.array_equal(value.numpy(), tensors[name]), name


def test_blocks_that_were_dropped_are_counted(theirs: Theirs, write: Write) -> None:
    with torch.no_grad():
        theirs.gru_a.weight_hh_l0.zero_()
        theirs.gru_a.weight_hh_l0[:8, :4] = 1
    found = densities(read_lpcnet_torch(write()).model)
    assert found["gru_a_recurrent"] == pytest.approx(1 / (3 * 3 * 6))
    assert found["gru_b_input"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_size": 320}, "frame_size 320 is not supported, only 160"),
        ({"output_levels": 65536}, "output_levels 65536 is not supported, only 256"),
        ({"feature_dimension": 93}, "feature_dimension 93 is not supported, only 19"),
        ({"feature_conv_kernel_size": 5}, "feature_conv_kernel_size 5 is not supported"),
        ({"target": "signal"}, "target signal is not supported, only error"),
        ({"feature_lookahead": 9}, "feature_lookahead 9 is not supported"),
        ({"feature_history": 3}, "feature_history 3 with feature_lookahead 2 is not supported"),
        ({"lpc_gamma": 1.5}, "lpc_gamma 1.5 is not supported"),
        ({"lpc_gamma": "big"}, "lpc_gamma big is not supported"),
        ({"add_reference_phase": True}, "add_reference_phase True is not supported"),
        ({"input_layout": None}, "input_layout of features None is not supported"),
        (
            {"input_layout": {**config()["input_layout"], "signals": {"last_signal": 0}}},
            "input_layout of signals .* is not supported",
        ),
        (
            {
                "input_layout": {
                    **config()["input_layout"],
                    "signals": {"last_signal": 0, "last_error": 1, "signal": 2},
                }
            },
            "does not hear prediction",
        ),
    ],
)
def test_what_has_no_place_is_refused_by_name(
    write: Write, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_lpcnet_torch(write(**changes))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gru_a.weight_hh_l0", None, "gru_a.weight_hh_l0 is missing"),
        ("gru_b.bias_ih_l0", torch.zeros(7), r"expected \[48\]"),
        ("feature_conv1.weight", torch.zeros(WIDTH, 25, 3), r"\[12, 24, 3\]"),
        ("signal_embedding.weight", torch.zeros(256, EMBED + 1), "gru_a.weight_ih_l0 is"),
        ("period_embedding.weight", torch.zeros(100, PITCH), "periods up to 99, 256 are needed"),
        ("dual_fc.alpha", torch.tensor([float("nan")]), "holds NaN or infinite"),
        ("dual_fc.dense1.bias", torch.zeros(256, dtype=torch.int32), "is torch.int32"),
        ("feature_dense1.bias", torch.zeros(0), "expected"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    write: Write, name: str, value: Tensor | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_lpcnet_torch(write({name: value}))


def test_other_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "some.pth"
    with pytest.raises(InputError, match="no such file"):
        read_lpcnet_torch(path)
    path.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(InputError, match="no torch checkpoint, or damaged"):
        read_lpcnet_torch(path)
    for other in ([1, 2], {"setup": 3}, {"setup": {"lpcnet": {"config": 1}}, "state_dict": 2}):
        torch.save(other, path)
        with pytest.raises(InputError, match="none of xiph's LPCNet"):
            read_lpcnet_torch(path)
    lpcnet = {"config": config(), "model": "multi_rate"}
    torch.save({"setup": {"lpcnet": lpcnet}, "state_dict": {}}, path)
    with pytest.raises(InputError, match="model 'multi_rate' is not supported"):
        read_lpcnet_torch(path)
    with pytest.raises(InputError, match="imported alone"):
        CliRunner().invoke(command, [str(path), "x.bin", "--output", "y"], catch_exceptions=False)
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a safetensors checkpoint"):
        load_lpcnet(path)


def test_a_checkpoint_of_something_else_is_no_voice(write: Write, tmp_path: Path) -> None:
    found = read_lpcnet_torch(write())
    tensors = found.model.export()
    tensors.pop("dual_fc.scale")
    with pytest.raises(InputError, match=r"no checkpoint of LPCNet \(no dual_fc.scale\)"):
        restore(tensors, "it")
    tensors = found.model.export() | {"gru_b_input.bias": torch.zeros(3)}
    with pytest.raises(InputError, match="shapes do not fit together"):
        restore(tensors, "it")
    path = tmp_path / "voice.safetensors"
    save_lpcnet(path, found.model, {"variant": "{}"})
    assert load_lpcnet(path)[1] == Variant()
    save_lpcnet(path, found.model, {"variant": '{"speed": 3}'})
    with pytest.raises(InputError, match="import it again"):
        load_lpcnet(path)
