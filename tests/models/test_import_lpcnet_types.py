# SPDX-License-Identifier: BSD-3-Clause
"""Torch checkpoints with wrong types inside: one line each, and no memory is allocated."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from quantize.errors import InputError
from tests.models.test_import_lpcnet import EMBED, Theirs, config
from toolkit.commands.import_ import command
from toolkit.models.importers.lpcnet_torch import read_lpcnet_torch


def checkpoint(**changes: Any) -> dict[str, Any]:
    """Write a checkpoint of that training with a changed config."""
    torch.manual_seed(11)
    setup = {"lpcnet": {"config": config(**changes), "model": "lpcnet"}}
    return {"setup": setup, "state_dict": Theirs().state_dict()}


def refused(path: Path, content: Any, message: str) -> None:
    torch.save(content, path)
    with pytest.raises(InputError, match=message) as caught:
        read_lpcnet_torch(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < 500


NONE_OF_XIPH = "none of xiph's LPCNet"
TENSOR = torch.zeros(3)


@pytest.mark.parametrize(
    "content",
    [
        TENSOR,
        [TENSOR],
        7,
        None,
        {},
        {"setup": TENSOR, "state_dict": {}},
        {"setup": {"lpcnet": TENSOR}, "state_dict": {}},
        {"setup": {"lpcnet": {"config": TENSOR}}, "state_dict": {}},
        {"setup": {"lpcnet": {"config": {}}}, "state_dict": TENSOR},
        {"setup": {"lpcnet": {"config": {}}}, "state_dict": [1]},
        {"setup": {"lpcnet": [1, 2]}, "state_dict": {}},
    ],
)
def test_other_structures(tmp_path: Path, content: Any) -> None:
    refused(tmp_path / "x.pth", content, NONE_OF_XIPH)


LAYOUT = config()["input_layout"]
BIG = 10**70


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: value}, f"{name} .* is not supported")
            for name in (
                *("frame_size", "signal_levels", "output_levels", "feature_dimension"),
                *("feature_conv_kernel_size", "target", "add_reference_phase", "hsampling"),
                *("feature_lookahead", "feature_history", "lpc_gamma"),
            )
            for value in (TENSOR, torch.tensor(160), [1], {"x": TENSOR}, None, 160.5, BIG)
        ),
        ({"frame_size": 160.0}, "frame_size 160.0 is not supported, only 160"),
        ({"frame_size": BIG}, "frame_size an integer of 233 bits is not supported"),
        ({"feature_lookahead": True, "feature_history": 3}, "feature_lookahead True"),
        ({"target": "x\ny" * 1000}, r"target x\\nyx\\ny.*\.\.\. is not supported"),
        ({"lpc_gamma": float("nan")}, "lpc_gamma nan is not supported"),
        *(
            ({"input_layout": {**LAYOUT, "features": features}}, "input_layout of features")
            for features in (
                {"cepstrum": 5},
                {"cepstrum": TENSOR, "pitch_corr": [18, 19]},
                {"cepstrum": [0, 18.0], "pitch_corr": [18, 19]},
                {"cepstrum": [0, TENSOR], "pitch_corr": [18, 19]},
                TENSOR,
            )
        ),
        *(
            ({"input_layout": {**LAYOUT, "signals": signals}}, "input_layout of signals")
            for signals in (
                {"last_signal": 0, "prediction": "1", "last_error": 2},
                {"last_signal": 0, "prediction": None, "last_error": TENSOR},
                {"last_signal": 0, "prediction": True, "last_error": 2},
                TENSOR,
            )
        ),
        ({"input_layout": TENSOR}, "input_layout of features"),
    ],
)
def test_other_types_in_the_set_up(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    refused(tmp_path / "x.pth", checkpoint(**changes), message)


def test_a_model_that_is_no_name(tmp_path: Path) -> None:
    content = checkpoint()
    content["setup"]["lpcnet"]["model"] = TENSOR
    refused(tmp_path / "x.pth", content, "model 'a Tensor' is not supported")


SHAPE = (256, EMBED)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(SHAPE).to_sparse(), "is a sparse or nested tensor"),
        (torch.zeros(SHAPE).to_sparse_csr(), "is a sparse or nested tensor"),
        (torch.zeros(SHAPE, device="meta"), "of device meta, without values"),
        (torch.zeros(1).expand(SHAPE), r"is a view of \[256, 6\] on 4 bytes"),
        (torch.zeros(1).expand(10**7, 10**7), r"is torch.float32\[10000000, 10000000\], expected"),
        (torch.zeros(1).expand(256, 10**13), r"is a view of \[256, 10000000000000\] on 4 bytes"),
        (torch.zeros(SHAPE).to(torch.float8_e4m3fn), "is torch.float8_e4m3fn"),
        (torch.zeros(SHAPE, dtype=torch.complex64), "is torch.complex64"),
        (torch.zeros(SHAPE, dtype=torch.bool), "is torch.bool"),
        (torch.quantize_per_tensor(torch.zeros(SHAPE), 0.1, 0, torch.qint8), "quantised tensor"),
        (torch.full(SHAPE, 1e300, dtype=torch.float64), "holds NaN or infinite weights"),
        (torch.tensor(1.0), r"is torch.float32\[\], expected \[256, any\]"),
    ],
)
def test_other_kinds_of_tensor(tmp_path: Path, tensor: Tensor, message: str) -> None:
    content = checkpoint()
    content["state_dict"]["signal_embedding.weight"] = tensor
    refused(tmp_path / "x.pth", content, f"signal_embedding.weight .*{message}|{message}")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_float_types_are_read(tmp_path: Path, kind: torch.dtype) -> None:
    content = checkpoint()
    state = {name: value.to(kind) for name, value in content["state_dict"].items()}
    torch.save({**content, "state_dict": state}, tmp_path / "x.pth")
    found = read_lpcnet_torch(tmp_path / "x.pth").model.conv1.bias
    assert found.dtype == torch.float32
    assert torch.equal(found, state["feature_conv1.bias"].float())


def test_a_compressed_archive_is_refused_unpacked(tmp_path: Path) -> None:
    saved = io.BytesIO()
    torch.save({"setup": torch.zeros(1 << 20)}, saved)
    path = tmp_path / "x.pth"
    with (
        zipfile.ZipFile(saved) as stored,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    with pytest.raises(InputError, match=r"damaged: it claims 4\d+ bytes, \d{4} are there"):
        read_lpcnet_torch(path)


def test_the_command_ends_in_the_line_and_writes_nothing(tmp_path: Path) -> None:
    torch.save(TENSOR, tmp_path / "x.pth")
    words = [str(tmp_path / "x.pth"), "--output", str(tmp_path / "o.safetensors")]
    with pytest.raises(InputError, match=NONE_OF_XIPH):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert [item.name for item in tmp_path.iterdir()] == ["x.pth"]
