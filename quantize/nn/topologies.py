# SPDX-License-Identifier: BSD-3-Clause
"""The networks of libopus 1.6 as streaming graphs (docs/FORMAT.md, section 6)."""

from quantize.nn.graph import (
    Activation,
    Conv1d,
    Conv2d,
    Dense,
    Format,
    Glu,
    Graph,
    Gru,
    Node,
    Slice,
)
from quantize.nn.weights import Weights

FEATURES = 20  # a 10 ms frame: 18 cepstral coefficients, pitch, correlation
LATENTS = 25  # of 32 rows that the weights hold; the rest is padding
INITIAL_STATE = 50  # of 56
CHUNK = LATENTS + 1  # the decoder also takes the level, as level / 8 - 1
CHUNK_FRAMES = 4  # feature frames that a chunk decodes to, newest first

IF_FEATURES = 88  # instantaneous-frequency features of the pitch network
LAGS = 224  # cross-correlation features: lags 256 down to 33
PITCH_CLASSES = 180  # of 192 rows; 20 cents each
PREDICTOR_INPUTS = 36 + FEATURES + 1  # Burg cepstra, features, and a flag

_STAGES = 5
_DENSE1 = 64
_GRU = 32
_CONV = 64
_STATE_HIDDEN = 128

_DEC_DENSE1 = 96
_DEC_GRU = 64
_DEC_CONV = 32
_FEATURE_FRAC = 10  # as quantize.features.integers.FEATURE_FRAC, which vocoders take


def rdovae_encoder() -> Graph:
    """Build the RDO-VAE encoder: 40 features (two frames, older first) to latents and state."""
    features = Slice("features", 0, 2 * FEATURES)
    nodes: list[Node] = [Dense("enc_dense1", features, Slice("trunk", 0, _DENSE1), Activation.TANH)]
    width = _DENSE1
    for stage in range(1, _STAGES + 1):
        gru_out = Slice("trunk", width, _GRU)
        nodes.append(Gru(f"enc_gru{stage}", Slice("trunk", 0, width), gru_out))
        width += _GRU
        conv_in = Slice("conv_in", 0, _CONV)
        trunk = Slice("trunk", 0, width)
        nodes.append(Dense(f"enc_conv_dense{stage}", trunk, conv_in, Activation.TANH))
        conv_out = Slice("trunk", width, _CONV)
        dilation = 1 if stage == 1 else 2
        nodes.append(Conv1d(f"enc_conv{stage}", conv_in, conv_out, dilation, Activation.TANH))
        width += _CONV
    trunk = Slice("trunk", 0, width)
    hidden = Slice("state_hidden", 0, _STATE_HIDDEN)
    latents = Slice("latents", 0, LATENTS)
    initial_state = Slice("initial_state", 0, INITIAL_STATE)
    nodes.append(Dense("enc_zdense", trunk, latents, Activation.LINEAR))
    nodes.append(Dense("gdense1", trunk, hidden, Activation.TANH))
    nodes.append(Dense("gdense2", hidden, initial_state, Activation.LINEAR))
    return Graph(
        name="rdovae_enc",
        inputs=("features",),
        outputs=("latents", "initial_state"),
        buffers={
            "features": 2 * FEATURES,
            "trunk": width,
            "conv_in": _CONV,
            "state_hidden": _STATE_HIDDEN,
            "latents": LATENTS,
            "initial_state": INITIAL_STATE,
        },
        nodes=tuple(nodes),
    )


def rdovae_decoder_init() -> Graph:
    """Build the start of the RDO-VAE decoder: a coded state [50] to the states of its 5 GRUs."""
    state = Slice("initial_state", 0, INITIAL_STATE)
    hidden = Slice("init_hidden", 0, _STATE_HIDDEN)
    states = Slice("gru_states", 0, _STAGES * _DEC_GRU)
    return Graph(
        name="rdovae_dec_init",
        inputs=("initial_state",),
        outputs=("gru_states",),
        buffers={
            "initial_state": INITIAL_STATE,
            "init_hidden": _STATE_HIDDEN,
            "gru_states": _STAGES * _DEC_GRU,
        },
        nodes=(
            Dense("dec_hidden_init", state, hidden, Activation.TANH),
            Dense("dec_gru_init", hidden, states, Activation.TANH),
        ),
        formats={"gru_states": Format.Q15},
    )


def rdovae_decoder() -> Graph:
    """Build the RDO-VAE decoder: a chunk [26] to the features [80] of its 40 ms, newest first."""
    chunk = Slice("chunk", 0, CHUNK)
    tanh = Activation.TANH
    nodes: list[Node] = [Dense("dec_dense1", chunk, Slice("trunk", 0, _DEC_DENSE1), tanh)]
    width = _DEC_DENSE1
    for stage in range(1, _STAGES + 1):
        state = Slice("gru_out", 0, _DEC_GRU)
        nodes.append(Gru(f"dec_gru{stage}", Slice("trunk", 0, width), state))
        nodes.append(Glu(f"dec_glu{stage}", state, Slice("trunk", width, _DEC_GRU)))
        width += _DEC_GRU
        conv_in = Slice("conv_in", 0, _DEC_CONV)
        nodes.append(Dense(f"dec_conv_dense{stage}", Slice("trunk", 0, width), conv_in, tanh))
        conv_out = Slice("trunk", width, _DEC_CONV)
        nodes.append(Conv1d(f"dec_conv{stage}", conv_in, conv_out, 1, tanh))
        width += _DEC_CONV
    features = Slice("features", 0, CHUNK_FRAMES * FEATURES)
    nodes.append(Dense("dec_output", Slice("trunk", 0, width), features, Activation.LINEAR))
    return Graph(
        name="rdovae_dec",
        inputs=("chunk",),
        outputs=("features",),
        buffers={
            "chunk": CHUNK,
            "trunk": width,
            "gru_out": _DEC_GRU,
            "conv_in": _DEC_CONV,
            "features": CHUNK_FRAMES * FEATURES,
        },
        nodes=tuple(nodes),
        formats={"gru_out": Format.Q15},
        fracs={"features": _FEATURE_FRAC},
    )


def pitch() -> Graph:
    """Build PitchDNN: 88 IF and 224 correlation features of one 10 ms frame to 180 class logits."""
    hidden, channels = 64, 4
    lags = Slice("xcorr_features", 0, LAGS)
    inner = Slice("conv2d_hidden", 0, channels * LAGS)
    joined = Slice("joined", 0, LAGS + hidden)
    up1, up2 = Slice("if_hidden", 0, hidden), Slice("joined", LAGS, hidden)
    down, state = Slice("gru_in", 0, hidden), Slice("gru_out", 0, hidden)
    tanh = Activation.TANH
    return Graph(
        name="pitch",
        inputs=("if_features", "xcorr_features"),
        outputs=("logits",),
        buffers={
            "if_features": IF_FEATURES,
            "xcorr_features": LAGS,
            "if_hidden": hidden,
            "conv2d_hidden": channels * LAGS,
            "joined": LAGS + hidden,
            "gru_in": hidden,
            "gru_out": hidden,
            "logits": PITCH_CLASSES,
        },
        nodes=(
            Dense("dense_if_upsampler_1", Slice("if_features", 0, IF_FEATURES), up1, tanh),
            Dense("dense_if_upsampler_2", up1, up2, tanh),
            Conv2d("conv2d_1", lags, inner, LAGS, tanh),
            Conv2d("conv2d_2", inner, Slice("joined", 0, LAGS), LAGS, tanh),
            Dense("dense_downsampler", joined, down, tanh),
            Gru("gru_1", down, state),
            Dense(
                "dense_final_upsampler",
                state,
                Slice("logits", 0, PITCH_CLASSES),
                Activation.LINEAR,
            ),
        ),
        formats={
            "if_features": Format.X8,
            "xcorr_features": Format.Q15,
            "conv2d_hidden": Format.Q15,
        },
    )


def predictor(dense: int = 128, gru: int = 192) -> Graph:
    """Build the predictor of lost frames: what is known of a frame [57] to the next features [20].

    libopus' deep PLC has the default sizes. The states reach the last layer as Q15, because libopus
    keeps that layer in floats.
    """
    hidden, first, state = Slice("hidden", 0, dense), Slice("gru1", 0, gru), Slice("gru2", 0, gru)
    features = Slice("features", 0, FEATURES)
    frame = Slice("frame", 0, PREDICTOR_INPUTS)
    return Graph(
        name="predictor",
        inputs=("frame",),
        outputs=("features",),
        buffers={
            "frame": PREDICTOR_INPUTS,
            "hidden": dense,
            "gru1": gru,
            "gru2": gru,
            "features": FEATURES,
        },
        nodes=(
            Dense("plc_dense_in", frame, hidden, Activation.TANH),
            Gru("plc_gru1", hidden, first),
            Gru("plc_gru2", first, state),
            Dense("plc_dense_out", state, features, Activation.LINEAR),
        ),
        formats={"gru2": Format.Q15},
        fracs={"frame": _FEATURE_FRAC, "features": _FEATURE_FRAC},
    )


def predictor_like(layers: dict[str, Weights]) -> Graph:
    """Build a predictor with the sizes of these layers; those of libopus if they have none.

    The recurrent layers say their sizes themselves. Whether all fit is for the caller to check.
    """
    first, second = (layers.get(name) for name in ("plc_dense_in", "plc_gru1_recurrent"))
    if first is None or second is None:
        return predictor()
    return predictor(first.matrix.shape[0], second.matrix.shape[1])
