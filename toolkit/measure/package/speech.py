# SPDX-License-Identifier: BSD-3-Clause
"""Write speech.h: the call that firmware/measure/main.c plays with a package."""

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.codec.sender import default_rate
from quantize.dred.history import STEP_SAMPLES, History
from quantize.dred.tables import LATENTS, STATES, EntropyTables
from toolkit.codegen.network.tables import BANNER
from toolkit.codegen.package.product import Product
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import read_speech

SECONDS: Final = 2
PACKETS: Final = 50 * SECONDS
LOST: Final = (60, 85)  # packets of 20 ms: half a second, after a payload has become long
_PER_LINE: Final = 16
_SEED: Final = 1


def speech_header(product: Product) -> str:
    """Return speech.h: PCM at the package's rates, and a payload for a receiver without sender."""
    parts = [
        f"{BANNER}#ifndef SPEECH_H\n#define SPEECH_H\n\n#include <stdint.h>\n\n"
        f"#define SPEECH_PACKETS {PACKETS}u\n#define SPEECH_LOST_FROM {LOST[0]}u\n"
        f"#define SPEECH_LOST_TO {LOST[1]}u\n\n"
    ]
    if product.sender is not None:
        parts.append(_array("int16_t speech_in", _speech(product.sender.input_rate)))
    if product.receiver is not None:
        parts.append(_array("int16_t speech_out", _speech(product.output_rate)))
        if product.sender is None:
            payload = _payload(product.receiver.model.networks.tables)
            parts.append(_array("uint8_t speech_payload", np.frombuffer(payload, np.uint8)))
    return "".join([*parts, "\n#endif\n"])


def _speech(rate: int) -> npt.NDArray[np.int16]:
    return read_speech(CLIP, rate)[: rate * SECONDS]


def _payload(tables: EntropyTables) -> bytes:
    """Return a payload as long as those of speech, of latents without a meaning."""
    noise = np.random.default_rng(_SEED)
    history = History()
    for _ in range(PACKETS):
        history.hear(STEP_SAMPLES, True)
        latents, states = (noise.normal(0.0, 1 << 16, size) for size in (LATENTS, STATES))
        history.push(latents.astype(np.int64), states.astype(np.int64))
    return history.payload(tables, default_rate())


def _array(name: str, values: npt.NDArray[np.int16] | npt.NDArray[np.uint8]) -> str:
    words = [str(value) for value in values.tolist()]
    lines = [", ".join(words[at : at + _PER_LINE]) for at in range(0, len(words), _PER_LINE)]
    return f"static const {name}[{len(words)}] = {{\n" + ",\n".join(lines) + "};\n"
