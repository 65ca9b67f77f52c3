# SPDX-License-Identifier: BSD-3-Clause
"""Write NOTICE: whose weights a package holds, and under which licence."""

import functools
import hashlib
from typing import Final

from toolkit.codegen.package.product import Product
from toolkit.common.paths import DATA
from toolkit.models.importers import BLOB, IMPORTED, SHIPPED

OPUS_LICENSE: Final = DATA / "package" / "opus-license.txt"
OWN: Final = "dredkit's own weights, trained on free recorded speech; under LICENSE"
OPUS: Final = "weights of the Opus project; under the licence below"
UNKNOWN: Final = "weights of a checkpoint that dredkit does not ship; ask who trained them"
WITHOUT: Final = "no weights"


def notice(product: Product) -> str:
    """Return the text of NOTICE."""
    rows = []
    owners = set()
    for network, source in _sources(product).items():
        owner = _owner(source)
        owners.add(owner)
        file = source.get("name", "unnamed")
        digest = f", SHA-256 {source['sha256']}" if "sha256" in source else ""
        rows.append(f"{network}\n    {file}{digest}\n    {owner}")
    text = (
        "dredkit\nCopyright (c) 2026, dredkit contributors. LICENSE has the terms of the source "
        "code.\n\nThe networks of this folder and whose weights they have:\n\n"
        + "\n".join(rows)
        + "\n"
    )
    if OPUS in owners:
        licence = OPUS_LICENSE.read_text(encoding="utf-8")
        text += f"\nThe licence of the Opus project:\n\n{licence}"
    return text


def _sources(product: Product) -> dict[str, dict[str, str]]:
    """Return where the weights of each network came from."""
    found: dict[str, dict[str, str]] = {}
    for stage in product.stages.values():
        for name, value in stage.source.items():
            network, _, key = name.rpartition(".")
            found.setdefault(network, {})[key] = value
    return found


def _owner(source: dict[str, str]) -> str:
    if "sha256" not in source:
        return WITHOUT
    if source["sha256"] in _shipped():
        return OWN
    return OPUS if source.get("kind") in (BLOB, IMPORTED) else UNKNOWN


@functools.cache
def _shipped() -> set[str]:
    """Return the SHA-256 of each shipped checkpoint."""
    files = SHIPPED.parent.glob("*.safetensors")
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
