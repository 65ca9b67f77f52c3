# SPDX-License-Identifier: BSD-3-Clause
"""Write include/dredkit/config.h: what was fixed when a package was generated."""

from collections.abc import Mapping
from typing import Final

from toolkit.codegen.network.tables import BANNER
from toolkit.codegen.package.product import Product

_HEAD: Final = (
    f"{BANNER}// What `dredkit package` fixed for this folder.\n"
    "#ifndef DREDKIT_CONFIG_H\n#define DREDKIT_CONFIG_H\n\n"
)


def config_header(product: Product, sizes: Mapping[str, int]) -> str:
    """Return config.h; `sizes` has the bytes of the public objects by their macros."""
    lines = [
        ("DK_MODEL_NAME", _text(product.name), "the file that the weights came from"),
        ("DK_MODEL_HASH", f'"{product.hash}"', ""),
        ("DK_PACKAGE_CORE", f'"{product.core.name}"', ""),
    ]
    if product.sender is not None:
        rate = product.sender.input_rate
        lines += [
            ("DK_INPUT_RATE", str(rate), "samples a second that a sender hears"),
            ("DK_SENDER_BYTES", str(sizes["DK_SENDER_BYTES"]), "of a dk_sender"),
        ]
    if product.receiver is not None:
        lines += [
            ("DK_OUTPUT_RATE", str(product.output_rate), "samples a second that a receiver plays"),
            ("DK_RECEIVER_BYTES", str(sizes["DK_RECEIVER_BYTES"]), "of a dk_receiver"),
            ("DK_VOICE_NAME", _text(product.voice), ""),
        ]
    if product.blob:
        size = str(sizes["DK_WEIGHTS_BYTES"])
        lines.append(("DK_WEIGHTS_BYTES", size, "of a dk_weights"))
    body = "".join(
        f"#define {name} {value}{f'  // {why}' if why else ''}\n" for name, value, why in lines
    )
    return f"{_HEAD}{body}\n#endif\n"


def _text(word: str) -> str:
    """Return a C string of printable ASCII; a file's name may hold anything."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\?' else "_" for c in word)
    return f'"{plain}"'
