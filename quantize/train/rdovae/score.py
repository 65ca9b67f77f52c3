# SPDX-License-Identifier: BSD-3-Clause
"""The score of a trained RDO-VAE: its byte tables, and its rate and distortion by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantize.errors import InputError
from quantize.features.floats import BANDS, CORRELATION, PITCH
from quantize.networks.blocks import with_blocks
from quantize.networks.layers import export_layers, import_layers
from quantize.networks.rdovae import DENSITY, LATENTS, LEVELS, RdovaeDecoder, RdovaeEncoder
from quantize.networks.tensors import read_tensors, write_tensors
from quantize.train.rdovae.loop import PACKET, Rdovae, packets
from quantize.train.rdovae.rate import Table, bits, fit, squeeze, to_bytes
from quantize.train.recordings import Sampler

F32 = NDArray[np.float32]
VECTORS = ("latent", "state")
LARGER = 2.0  # see thaw
_GROSS = 0.2630  # octaves: 20 % of the pitch


@dataclass
class Checkpoint:
    """Float networks and the wire's byte tables: the content of rdovae.safetensors."""

    encoder: RdovaeEncoder
    decoder: RdovaeDecoder
    tables: dict[str, Tensor]  # uint8 [16, n]: latent_scale ... state_p0

    def table(self, vector: str) -> Table:
        """Return the tables of "latent" or "state" as fractions of 1."""
        return Table(*(self.tables[f"{vector}_{part}"] / 256 for part in Table._fields))

    def symbols(self, vector: str, values: Tensor, level: int) -> Tensor:
        """Return the integer symbols (as floats) of latents or states at one level."""
        row = self.table(vector).at(torch.tensor(level))
        coded = (row.r > 0) & (row.p0 < 255 / 256)
        return torch.floor(0.5 + squeeze(values, row)) * coded

    def restore(self, vector: str, symbols: Tensor, level: int) -> Tensor:
        """Return the values that a receiver restores from symbols."""
        scale = self.table(vector).scale[level]
        return symbols / torch.where(scale == 0, torch.ones_like(scale) / 256, scale)

    def cost(self, vector: str, symbols: Tensor, level: int) -> Tensor:
        """Return the bits that symbols cost, summed over the last axis."""
        row = self.table(vector).at(torch.tensor(level))
        coded = (row.r > 0) & (row.p0 < 255 / 256)
        safe = row._replace(r=row.r.clamp(min=1 / 256), p0=row.p0.clamp(1 / 256, 254 / 256))
        return (bits(symbols, safe) * coded).sum(-1)


def freeze(model: Rdovae, sampler: Sampler, batches: int = 12) -> Checkpoint:
    """Return the checkpoint of a model, its entropy tables fitted to what the encoder sends."""
    device = next(model.parameters()).device
    values: dict[str, list[Tensor]] = {name: [] for name in VECTORS}
    with torch.no_grad():
        for index in range(batches):
            features = torch.from_numpy(sampler.batch(-index % 2**31, 32)).to(device)
            latents, states, _ = model.encoder(features.reshape(len(features), -1, 40))
            values["latent"].append(latents.flatten(0, 1).cpu())
            values["state"].append(states[:, ::5].flatten(0, 1).cpu())
    tables: dict[str, Tensor] = {}
    for name, learned in zip(VECTORS, (model.latent_table, model.state_table), strict=True):
        table = learned.table()
        tables[f"{name}_scale"] = to_bytes(table.scale.detach().cpu()).clamp(min=1)
        tables[f"{name}_deadzone"] = to_bytes(table.deadzone.detach().cpu())
        seen = torch.cat(values[name])
        scale, deadzone = tables[f"{name}_scale"] / 256, tables[f"{name}_deadzone"] / 256
        unused = torch.zeros_like(scale)
        fitted = []
        for level in range(LEVELS):
            row = Table(scale, deadzone, unused, unused).at(torch.tensor(level))
            fitted.append(fit(torch.floor(0.5 + squeeze(seen, row))))
        tables[f"{name}_p0"] = torch.stack([p0 for p0, _ in fitted])
        tables[f"{name}_r"] = torch.stack([r for _, r in fitted])
    return Checkpoint(model.encoder, model.decoder, tables)


def thaw(model: Rdovae, checkpoint: Checkpoint, larger: float = LARGER) -> None:
    """Give a model in training the weights and tables of a checkpoint.

    Latents and states get `larger`, and their scales smaller: no symbol changes, but there is room
    for finer scales, which end at 1.
    """
    model.encoder.load_state_dict(checkpoint.encoder.state_dict())
    model.decoder.load_state_dict(checkpoint.decoder.state_dict())
    with torch.no_grad():
        for made in (model.encoder.zdense, model.encoder.gdense2):
            made.weight.mul_(larger)
            made.bias.mul_(larger)
        model.decoder.dense1.weight[:, :LATENTS].div_(larger)
        model.decoder.hidden_init.weight.div_(larger)
        for name, learned in zip(VECTORS, (model.latent_table, model.state_table), strict=True):
            table = checkpoint.table(name)
            table = table._replace(scale=table.scale / larger)
            for part, value in zip(learned.parameters(), table, strict=True):
                part.copy_(torch.logit(value.clamp(1 / 256, 255 / 256)))


def save_checkpoint(path: Path, checkpoint: Checkpoint, notes: Mapping[str, str]) -> None:
    """Write networks and tables to a safetensors file, in one move.

    A layer that dropped blocks of weights gets `<layer>.blocks`, which marks those that it kept.
    """
    weights = export_layers({**checkpoint.encoder.layers(), **checkpoint.decoder.layers()})
    marked = with_blocks(weights, DENSITY)
    write_tensors(path, {**marked, **checkpoint.tables}, {"network": "rdovae", **notes})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; InputError if it is missing, damaged or of another network."""
    weights = read_tensors(path)
    encoder, decoder = RdovaeEncoder(), RdovaeDecoder()
    import_layers({**encoder.layers(), **decoder.layers()}, weights)
    tables = {}
    for name, size in zip(VECTORS, (25, 50), strict=True):
        for part in Table._fields:
            key = f"{name}_{part}"
            if key not in weights or tuple(weights[key].shape) != (LEVELS, size):
                raise InputError(f"{path} has no quantiser table {key} of {LEVELS} x {size}")
            tables[key] = weights[key]
    return Checkpoint(encoder, decoder, tables)


def evaluate(checkpoint: Checkpoint, features: F32) -> list[dict[str, float]]:
    """Score held-out features [frames, 20], coded in packets of one second, at every level.

    Each level has bits_per_s of the latents alone, state_bits a packet, the log-spectral distance
    `db` and the share of voiced frames whose pitch is off by more than 20 % (`pitch_errors`).
    """
    length = len(features) // (4 * PACKET) * 4 * PACKET
    if length == 0:
        raise InputError("less than one second of held-out speech: nothing to score")
    frames = torch.from_numpy(np.array(features[:length]))[None]
    rows = []
    with torch.no_grad():
        latents, states, _ = checkpoint.encoder(frames.reshape(1, -1, 40))
        target, latents, states = packets(frames, latents, states)
        target = target.view(*target.shape[:2], 4, 20)
        voiced = target[..., CORRELATION] > 0.2
        for level in range(LEVELS):
            symbols = checkpoint.symbols("latent", latents, level)
            begin = checkpoint.symbols("state", states, level)
            side = torch.full((*symbols.shape[:2], 1), level / 8 - 1)
            value = checkpoint.restore("latent", symbols, level)
            memory = checkpoint.decoder.start(checkpoint.restore("state", begin, level))
            output, _ = checkpoint.decoder(torch.cat([value, side], 2), memory)
            error = output.view(target.shape) - target
            wrong = (error[..., PITCH].abs() > _GROSS) & voiced
            distance = 10 * error[..., :BANDS].square().mean(-1).sqrt().mean()
            spent = checkpoint.cost("latent", symbols, level).mean()
            spent_begin = checkpoint.cost("state", begin, level).mean()
            rows.append(
                {
                    "level": level,
                    "bits_per_s": round(PACKET * spent.item(), 1),
                    "state_bits": round(spent_begin.item(), 1),
                    "db": round(distance.item(), 3),
                    "pitch_errors": round((wrong.sum() / voiced.sum().clamp(min=1)).item(), 4),
                }
            )
    return rows
