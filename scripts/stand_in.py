# SPDX-License-Identifier: BSD-3-Clause
"""Models of the right shapes with zero weights; the linters read the C generated from them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import DecoderNetworks
from quantize.codec.sender import EncoderModel
from quantize.dred.tables import LATENTS, LEVELS, STATES, EntropyTables
from quantize.nn import topologies
from quantize.nn.graph import Graph
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.weights import Weights
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet


def stand_in() -> EncoderModel:
    """Return the whole sender with every weight and every table zero."""
    return EncoderModel(
        _network(topologies.pitch()),
        _network(topologies.rdovae_encoder()),
        EntropyTables(*(np.zeros((4, LEVELS, n), np.uint8) for n in (LATENTS, STATES))),
    )


def stand_in_receiver() -> DecoderModel:
    """Return the whole receiver with zero weights and a small LPCNet as its voice."""
    init, step = topologies.rdovae_decoder_init(), topologies.rdovae_decoder()
    networks = DecoderNetworks(_network(init), _network(step), stand_in().tables)
    units, width = 8, 4
    shapes = {
        **{f"feature_{name}": (width, cols) for name, cols in _HIDDEN.items()},
        "gru_a_input": (3 * units, width),
        "gru_a_recurrent": (3 * units, units),
        "gru_b_input": (3 * units, units + width),
        "gru_b_recurrent": (3 * units, units),
    }
    tensors: dict[str, npt.NDArray[np.float64]]
    tensors = {f"{name}.weight": np.zeros(shape) for name, shape in shapes.items()}
    tensors |= {f"{name}.bias": np.zeros(rows) for name, (rows, _) in shapes.items()}
    tensors |= {
        f"embed_{name}.weight": np.zeros((256, 3 * units))
        for name in ("signal", "prediction", "excitation")
    }
    tensors["embed_pitch.weight"] = np.zeros((225, 1))
    tensors |= {f"dual_fc.{name}": np.zeros((256, 2)) for name in ("bias", "scale")}
    tensors["dual_fc.weight"] = np.zeros((256, 2, units))
    return DecoderModel(networks, quantise_lpcnet(tensors, {"name": "nothing"}))


def stand_in_config(folder: Path) -> Path:
    """Write a dredkit/config.h with room for any object, and return the include path to it.

    A package has one with exact sizes; builds without a package have none.
    """
    made = folder / "config" / "dredkit"
    made.mkdir(parents=True, exist_ok=True)
    names = [f"DK_{name}_BYTES" for name in ("SENDER", "RECEIVER", "WEIGHTS")]
    (made / "config.h").write_text("".join(f"#define {name} {1 << 20}\n" for name in names))
    return made.parent


_HIDDEN = {"conv1": 3 * 21, "conv2": 3 * 4, "dense1": 4, "dense2": 4}  # inputs of each


def _network(graph: Graph) -> QuantisedModel:
    layers = {
        shape.name: Weights(shape.name, np.zeros((shape.rows, shape.cols)), np.zeros(shape.rows))
        for shape in graph.matrices()
    }
    return quantise(graph, layers, dict.fromkeys(graph.calibrated, 1.0), {"name": "nothing"})
