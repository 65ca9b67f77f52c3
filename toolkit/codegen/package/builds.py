# SPDX-License-Identifier: BSD-3-Clause
"""Write a package's build files: thin lists of its sources, one for each build system."""

import json
from collections.abc import Sequence
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from toolkit.codegen.package.product import Product, library_version
from toolkit.codegen.package.sources import Files
from toolkit.common.paths import DATA

VENDOR: Final = "dredkit"
PACK: Final = "dredkit"
PDSC: Final = f"{VENDOR}.{PACK}.pdsc"
_TEMPLATES: Final = {
    "CMakeLists.txt": "CMakeLists.txt.j2",
    "zephyr/module.yml": "module.yml.j2",
    "zephyr/Kconfig": "Kconfig.j2",
    "zephyr/CMakeLists.txt": "zephyr-CMakeLists.txt.j2",
    "library.properties": "library.properties.j2",
    PDSC: "pdsc.j2",
}


def build_files(product: Product, paths: Sequence[str]) -> Files:
    """Return the build files for a package with the files `paths`.

    Only a core that a CMSIS-Pack can name gets a .pdsc.
    """
    values = {
        "core": product.core,
        "product": product,
        "held": held(product),
        "version": library_version(),
        "vendor": VENDOR,
        "pack": PACK,
        "sources": sorted(path for path in paths if path.endswith(".c")),
        "headers": sorted(path for path in paths if path.startswith("include/")),
    }
    wanted = {n: t for n, t in _TEMPLATES.items() if n != PDSC or product.core.cmsis}
    found = {name: rendered(template, values) for name, template in wanted.items()}
    return {**found, "library.json": _platformio(product)}


def held(product: Product) -> str:
    """Say what a package holds: the roles, and the voice of a receiver."""
    if product.role == "sender":
        return "the sender"
    voice = f"the receiver with the voice {product.voice}"
    return voice if product.role == "receiver" else f"the sender and {voice}"


def rendered(template: str, values: dict[str, Any]) -> str:
    """Return a template of toolkit/data/package/ with its values filled in."""
    environment = Environment(
        loader=FileSystemLoader(DATA / "package"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=template == "pdsc.j2",
    )
    return environment.get_template(template).render(values)


def _platformio(product: Product) -> str:
    table = {
        "name": "dredkit",
        "version": library_version(),
        "description": f"Opus DRED in integers for {product.core.title}: {held(product)}",
        "keywords": ["opus", "dred", "speech"],
        "license": "BSD-3-Clause",
        "frameworks": "*",
        "platforms": "*",
        "headers": "dredkit/dredkit.h",
        "build": {"includeDir": "include", "srcDir": "src", "flags": ["-I include", "-I src"]},
    }
    return json.dumps(table, indent=2) + "\n"
