# SPDX-License-Identifier: BSD-3-Clause
"""Files that are not weights: each reader says what the file is, what it expected, what to do."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from quantize.errors import InputError
from quantize.files.tensor_file import parse, read_tensor_file
from tests.support.blobs import F32, Record, blob
from tests.support.lpcnet_models import random_tensors
from tests.support.small_models import small_model
from toolkit.models.importers import SHIPPED, SHIPPED_PITCH, SHIPPED_VOICE, load_model
from toolkit.models.importers.entropy import read_tables
from toolkit.models.importers.kinds import kind_of
from toolkit.models.importers.release import read_release
from toolkit.models.quantise import Sources, quantise_stage
from toolkit.models.saved import load_quantised
from toolkit.models.voice import voice_model

ROOT = Path(__file__).resolve().parents[2]


def blob_of(*names: str) -> bytes:
    return blob([Record(f"{name}_bias", F32, bytes(64)) for name in names])


FOREIGN = {
    "fargan.bin": (
        blob_of("cond_net_pembed", "sig_net_cond"),
        "an Opus blob of the vocoder FARGAN",
    ),
    "plc.bin": (blob_of("plc_dense_in"), "an Opus blob of the packet loss concealment (PLC)"),
    "pitch.bin": (blob_of("dense_if_upsampler_1"), "an Opus blob of the pitch network PitchDNN"),
    "odd.bin": (blob_of("some_layer"), "an Opus blob of an unknown network (some_layer_bias, ...)"),
    "README.md": ((ROOT / "README.md").read_bytes(), "a text file"),
    "data.c": (b"#include <stdio.h>\nstatic const float x[1] = {0.f};\n", "C source"),
    "speech.wav": (b"RIFF\0\0\0\0WAVEfmt ", "a WAV recording"),
    "net.pth": (b"PK\x03\x04" + bytes(90), "a zip archive, as torch checkpoints are"),
    "m.dkq": (small_model().to_bytes(), "a quantised model"),
    "empty": (b"", "an empty file"),
    "a.npy": (b"\x93NUMPY\x01\x00", "a NumPy array"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("stage", ["encoder", "decoder", "rdovae_enc"])
def test_quantising_says_what_a_file_is(tmp_path: Path, name: str, stage: str) -> None:
    """The file is refused before the command asks for entropy tables, which not all need."""
    content, kind = FOREIGN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        quantise_stage(stage, Sources(path))
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert kind in line
    assert "entropy tables" not in line
    assert "DRED's " in line or " or an Opus 'DNNw' blob" in line
    assert "\n" not in line


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder, not a file; .*`dredkit import`"):
        quantise_stage("encoder", Sources(tmp_path))


def test_a_decoder_without_layers_or_voice_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.models.quantise.quantise_encoder", None)
    (tmp_path / "plc.bin").write_bytes(FOREIGN["plc.bin"][0])
    with pytest.raises(InputError, match=r"PLC\); wanted is DRED's decoder"):
        quantise_stage("decoder", Sources(SHIPPED, decoder=tmp_path / "plc.bin"))
    (tmp_path / "README.md").write_bytes(b"# words\n")
    with pytest.raises(InputError, match="is a text file, not a checkpoint of LPCNet"):
        quantise_stage("decoder", Sources(SHIPPED, voice=str(tmp_path / "README.md")))


@pytest.mark.parametrize("name", ["README.md", "data.c", "speech.wav", "m.dkq", "empty"])
def test_other_readers_say_it_too(tmp_path: Path, name: str) -> None:
    content, kind = FOREIGN[name]
    path = tmp_path / name
    path.write_bytes(content)
    readers: dict[str, Any] = {"tables": read_tables, "voice": lambda p: voice_model(str(p))}
    if name != "data.c":
        readers["import"] = lambda p: read_release([p])
    if name != "m.dkq":
        readers["model"] = load_quantised
    for read in readers.values():
        with pytest.raises(InputError, match=f"^{path}: (is {kind}, not|empty file)"):
            read(path)


def test_import_says_what_a_blob_is(tmp_path: Path) -> None:
    (tmp_path / "fargan.bin").write_bytes(FOREIGN["fargan.bin"][0])
    with pytest.raises(InputError, match=r"enc_dense1 is missing.*\(.*FARGAN\)"):
        read_release([tmp_path / "fargan.bin"])


def test_our_own_files_are_known() -> None:
    assert kind_of(SHIPPED.read_bytes()).startswith("a checkpoint of DRED's encoder and")
    assert kind_of(SHIPPED_PITCH.read_bytes()) == "a checkpoint of the pitch network PitchDNN"
    assert kind_of(SHIPPED_VOICE.read_bytes()) == "a checkpoint of the vocoder LPCNet"


# Types that NumPy lacks, and damage.


def retyped(data: bytes, kind: str, only: str = "") -> bytes:
    """Return a checkpoint whose F32 tensors are cast to BF16 or F16, or labelled `kind`."""
    end = 8 + int.from_bytes(data[:8], "little")
    header, tensors = json.loads(data[8:end]), data[end:]
    notes, body, at = header.pop("__metadata__", {}), b"", 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        part = tensors[begin:stop]
        if entry["dtype"] == "F32" and only in name:
            floats = np.frombuffer(part, "<f4")
            entry["dtype"] = kind
            if kind == "BF16":
                part = (floats.view("<u4") >> 16).astype("<u2").tobytes()
            elif kind == "F16":
                part = floats.astype("<f2").tobytes()
            else:
                entry["shape"] = [*entry["shape"][:-1], entry["shape"][-1] * 4]
        entry["data_offsets"] = [at, at + len(part)]
        at += len(part)
        body += part
    text = json.dumps({"__metadata__": notes, **header}).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_bf16_and_f16_become_float32() -> None:
    values = np.array([1.0, -2.5, 0.0, 3.140625, 2.0**-20, 65504.0], np.float32)
    for kind, precise in (("BF16", 2.0**-8), ("F16", 2.0**-6)):
        found = parse(retyped(save({"x": values}), kind), "here")
        assert found.kinds == {"x": kind}
        assert found.tensors["x"].dtype == np.float32
        assert np.allclose(found.tensors["x"], values, rtol=precise, atol=2.0**-24)
        assert found.tensors["x"][:4].tolist() == values[:4].tolist()


@pytest.mark.parametrize("kind", ["BF16", "F16"])
def test_short_floats_are_read_everywhere(tmp_path: Path, kind: str) -> None:
    weights, voice = tmp_path / "w.safetensors", tmp_path / "v.safetensors"
    weights.write_bytes(retyped(SHIPPED.read_bytes(), kind))
    tensors = {k: v.astype(np.float32) for k, v in random_tensors(3).items()}
    voice.write_bytes(retyped(save(tensors), kind))
    from quantize.nn.topologies import rdovae_encoder

    whole = load_model(SHIPPED, rdovae_encoder()).layers["enc_dense1"].matrix
    found = load_model(weights, rdovae_encoder()).layers["enc_dense1"].matrix
    assert found.dtype == np.float64
    assert 0 < np.abs(found - whole).max() < 2.0**-7 * np.abs(whole).max()
    tables = read_tables(SHIPPED)
    again = read_tables(weights)
    assert tables is not None
    assert again is not None
    assert again.to_bytes() == tables.to_bytes()
    assert voice_model(str(voice)) != "pulse"


def test_tables_may_be_floats_but_whole(tmp_path: Path) -> None:
    stored = read_tensor_file(SHIPPED).tensors
    path = tmp_path / "t.safetensors"
    floats = {k: v.astype(np.float32) for k, v in stored.items() if k[:6] in ("latent", "state_")}
    path.write_bytes(retyped(save(floats), "BF16"))
    found, wanted = read_tables(path), read_tables(SHIPPED)
    assert found is not None
    assert wanted is not None
    assert found.to_bytes() == wanted.to_bytes()
    floats["state_r"] = floats["state_r"] + np.float32(0.5)
    path.write_bytes(retyped(save(floats), "BF16"))
    with pytest.raises(InputError, match="entropy table state_r of type BF16 holds other values"):
        read_tables(path)


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2", "F4", "C64", "Q9", 7, None])
def test_types_that_are_not_read_are_named(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "w.safetensors"
    named = f"tensor enc_dense1.weight has type {kind}, which is not supported"
    if not isinstance(kind, str):
        named = "tensor enc_dense1.weight: its type is"
    path.write_bytes(retyped(SHIPPED.read_bytes(), kind, "enc_dense1.weight"))
    for read in (
        read_tables,
        lambda p: quantise_stage("rdovae_enc", Sources(p)),
        lambda p: voice_model(str(p)),
    ):
        with pytest.raises(InputError, match=named):
            read(path)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"[" * 90_000, "its header is not JSON"),
        (b"7", "its header is not a table"),
        (b'{"a":1,"a":1}', "a appears twice"),
        (b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', "4 bytes of tensors, but"),
        (b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,9]}}', "but its place has 9"),
        (b'{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}', "has no proper shape"),
        (b'{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}', "has no proper shape"),
        (b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}', "has no proper place"),
        (b'{"a":{"dtype":"U8","shape":[0,1e9],"data_offsets":[0,0]}}', "has no proper shape"),
        (b'{"a":{"dtype":"U8","shape":[0,9999999999999],"data_offsets":[0,0]}}', "is too large"),
        (b'{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,4]}}', "too large"),
        (b'{"a":{"dtype":"U8","shape":[4]}}', "lacks a type, shape or place"),
        (b'{"a":null}', "lacks a type, shape or place"),
        (b'{"__metadata__":null}', "__metadata__ is not a table of texts"),
        (b'{"__metadata__":{"x":1}}', "__metadata__ is not a table of texts"),
        (
            b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},'
            b'"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
            "tensor b overlaps another, or leaves a gap",
        ),
        (b'{"\xff":1}', "its header is not JSON"),
    ],
)
def test_damaged_headers_are_named(header: bytes, says: str) -> None:
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    with pytest.raises(
        InputError, match=f"^here: not a safetensors checkpoint, or damaged .*{says}"
    ):
        parse(data, "here")


@pytest.mark.parametrize("size", [2**64 - 1, 2**63, 2**32, 100])
def test_a_header_beyond_the_file(size: int) -> None:
    with pytest.raises(InputError, match="ends within its header"):
        parse(size.to_bytes(8, "little") + b"{}", "here")


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {k: v.astype(np.float32) for k, v in random_tensors(3).items()}
    tensors["dual_fc.bias"][3, 1] = np.inf
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"dual_fc\.bias holds NaN or infinite"):
        voice_model(str(path))
    save_file({**tensors, "dual_fc.bias": np.zeros((256, 2), np.int32)}, path)
    with pytest.raises(InputError, match=r"dual_fc\.bias is int32, want floats"):
        voice_model(str(path))
    for name in tensors:
        for wrong in (np.zeros((), np.float32), np.zeros((0, 3), np.float32)):
            save_file({**tensors, "dual_fc.bias": np.zeros((256, 2), "f4"), name: wrong}, path)
            with pytest.raises(InputError, match=r"want 3 n x n|expected \["):
                voice_model(str(path))
