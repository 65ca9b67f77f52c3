# SPDX-License-Identifier: BSD-3-Clause
"""The float RDO-VAE against libopus' golden data, and stepping against whole sequences."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from quantize.errors import InputError
from quantize.networks.layers import Layer, export_layers, import_layers
from quantize.networks.rdovae import Memory, RdovaeDecoder, RdovaeEncoder


def _blob(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an Opus weight blob."""
    data, at, found = path.read_bytes(), 0, {}
    types = {0: "<f4", 1: "<i4", 3: "i1"}
    while at < len(data):
        kind, size, block = struct.unpack_from("<3i", data, at + 8)
        name = data[at + 20 : at + 64].split(b"\0")[0].decode()
        found[name] = np.frombuffer(data[at + 64 : at + 64 + size], types[kind])
        at += 64 + block
    return found


def _dense_weight(blob: dict[str, np.ndarray], name: str, inputs: int) -> np.ndarray:
    if f"{name}_weights_float" in blob:
        return blob[f"{name}_weights_float"].reshape(inputs, -1).T
    blocks = blob[f"{name}_weights_int8"].reshape(-1, 8, 4)
    scale = blob[f"{name}_scale"]
    matrix = np.zeros((len(scale), inputs), np.float32)
    if f"{name}_weights_idx" in blob:
        index, read, used = blob[f"{name}_weights_idx"], 0, 0
        for row in range(0, len(scale), 8):
            columns = index[read + 1 : read + 1 + index[read]]
            read += 1 + len(columns)
            for column in columns:
                matrix[row : row + 8, column : column + 4] = blocks[used]
                used += 1
    else:
        grid = blocks.reshape(len(scale) // 8, inputs // 4, 8, 4)
        matrix[:] = grid.transpose(0, 2, 1, 3).reshape(len(scale), inputs)
    return np.asarray(matrix * (127 * scale[:, None]))  # the scale is for inputs of 1/127


def _load(layers: dict[str, Layer], path: Path) -> None:
    blob = _blob(path)
    weights = {}
    for name, layer in layers.items():
        matrix = _dense_weight(blob, name, layer.weight.shape[1])
        weights[f"{name}.weight"] = torch.from_numpy(np.array(matrix))
        weights[f"{name}.bias"] = torch.from_numpy(np.array(blob[f"{name}_bias"]))
    import_layers(layers, weights)


def _snr(got: np.ndarray, want: np.ndarray) -> float:
    return float(10 * np.log10((want**2).sum() / ((got - want) ** 2).sum()))


@torch.no_grad()
def test_encoder_with_upstream_weights_equals_golden(upstream: Path) -> None:
    golden = upstream / "golden"
    encoder = RdovaeEncoder()
    _load(encoder.layers(), upstream / "weights" / "rdovae_enc.bin")
    features = np.fromfile(golden / "features.f32", "<f4").reshape(-1, 36)[:, :20]
    steps = torch.from_numpy(features.reshape(1, -1, 40).copy())
    latents, states, _ = encoder(steps)
    want_latents = np.fromfile(golden / "latents.f32", "<f4").reshape(-1, 25)
    want_states = np.fromfile(golden / "states.f32", "<f4").reshape(-1, 50)
    # libopus rounds activations to 1/127; a float network cannot come closer than that.
    assert _snr(latents[0].numpy(), want_latents) > 38
    assert _snr(states[0].numpy(), want_states) > 40


@torch.no_grad()
def test_decoder_with_upstream_weights_equals_golden(upstream: Path) -> None:
    golden = upstream / "golden"
    decoder = RdovaeDecoder()
    _load(decoder.layers(), upstream / "weights" / "rdovae_dec.bin")
    tables = np.fromfile(golden / "dred_stats_tables.u8", np.uint8).astype(np.float32)
    latent_scale, state_scale = tables[:400].reshape(16, 25), tables[1600:2400].reshape(16, 50)
    symbols = np.fromfile(golden / "pkt_a_symbols.i16", "<i2").reshape(-1, 700)[-1]
    level = np.minimum(15, 6 + (8 * np.arange(26) + 8) // 16)
    scale = np.maximum(latent_scale[level], 1)
    latents = symbols[50:].reshape(26, 25) * 256 / scale
    inputs = np.concatenate([latents, level[:, None] / 8 - 1], 1).astype(np.float32)
    state = (symbols[:50] * 256 / np.maximum(state_scale[6], 1)).astype(np.float32)
    memory = decoder.start(torch.from_numpy(state)[None])
    output, _ = decoder(torch.from_numpy(inputs)[None], memory)
    want = np.fromfile(golden / "dec1_features.f32", "<f4").reshape(104, 20)
    assert _snr(output.numpy().reshape(104, 20), want) > 38


@torch.no_grad()
def test_stepping_equals_the_whole_sequence() -> None:
    torch.manual_seed(3)
    encoder, decoder = RdovaeEncoder(), RdovaeDecoder()
    x = torch.randn(2, 9, 40)
    latents, states, _ = encoder(x)
    memory: Memory | None = None
    for t in range(9):
        latent, state, memory = encoder(x[:, t : t + 1], memory)
        assert torch.allclose(latent[:, 0], latents[:, t], atol=1e-6)
        assert torch.allclose(state[:, 0], states[:, t], atol=1e-6)
    y = torch.randn(2, 6, 26)
    whole, _ = decoder(y, decoder.start(states[:, -1]))
    kept = decoder.start(states[:, -1])
    for t in range(6):
        step, kept = decoder(y[:, t : t + 1], kept)
        assert torch.allclose(step[:, 0], whole[:, t], atol=1e-6)


def test_a_gru_follows_the_checkpoint_convention() -> None:
    torch.manual_seed(4)
    encoder = RdovaeEncoder()
    weights = export_layers(encoder.layers())
    x, state = torch.randn(64), torch.randn(32)
    # h = z*s + (1-z)*tanh(Wx + r*(Us+b_u)), rows z, r, h
    wx = weights["enc_gru1_input.weight"] @ x + weights["enc_gru1_input.bias"]
    us = weights["enc_gru1_recurrent.weight"] @ state + weights["enc_gru1_recurrent.bias"]
    z, r = torch.sigmoid(wx[:32] + us[:32]), torch.sigmoid(wx[32:64] + us[32:64])
    want = z * state + (1 - z) * torch.tanh(wx[64:] + r * us[64:])
    got, _ = encoder.gru[0](x.view(1, 1, -1), state.view(1, 1, -1))
    assert torch.allclose(got.flatten(), want, atol=1e-6)


@pytest.mark.parametrize("network", [RdovaeEncoder, RdovaeDecoder])
def test_export_and_import_return_the_same_network(
    network: type[RdovaeEncoder] | type[RdovaeDecoder],
) -> None:
    torch.manual_seed(5)
    first = network()
    weights = export_layers(first.layers())
    torch.manual_seed(6)
    second = network()
    import_layers(second.layers(), weights)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.state_dict()[name])


def test_padded_rows_are_zero() -> None:
    weights = export_layers(RdovaeEncoder().layers())
    assert weights["enc_zdense.weight"].shape == (32, 544)
    assert weights["gdense2.weight"].shape == (56, 128)
    assert weights["enc_zdense.weight"][25:].abs().sum() == 0
    assert weights["gdense2.bias"][50:].abs().sum() == 0


def test_missing_and_misshapen_layers_are_named() -> None:
    encoder = RdovaeEncoder()
    weights = export_layers(encoder.layers())
    lacking = {k: v for k, v in weights.items() if k != "enc_conv3.bias"}
    with pytest.raises(InputError, match=r"lacks enc_conv3\.bias"):
        import_layers(encoder.layers(), lacking)
    weights["enc_gru2_input.weight"] = torch.zeros(96, 8)
    with pytest.raises(InputError, match=r"enc_gru2_input\.weight has shape"):
        import_layers(encoder.layers(), weights)
