# SPDX-License-Identifier: BSD-3-Clause
"""Choose the library's files for a package: the C and headers of one ISA and of its roles."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from toolkit.codegen.blob.product import with_blob
from toolkit.codegen.generate import library_files as generated_files
from toolkit.codegen.network.tables import BANNER
from toolkit.codegen.package.product import BESIDE, Product
from toolkit.targets.cores import Core
from toolkit.targets.isas import ISAS, chain
from toolkit.targets.sources import LIBRARY, library_files, of_isa

PUBLIC: Final = LIBRARY / "include" / "dredkit"
GENERATED: Final = "generated"
_CHOICE: Final = "dk_isa.h"
_INCLUDE: Final = re.compile(r'^(#\s*include ")([^"]+)(")', re.MULTILINE)
_GUARD: Final = "#define DREDKIT_DK_ISA_H\n"

Files = dict[str, str]  # texts by their paths below the package


def public_headers(product: Product, config: str) -> Files:
    """Return include/dredkit/: the headers of the package's roles, and `config` as config.h."""
    held = {*product.stages, *(["weights"] if product.blob else [])}
    absent = {"sender", "receiver", "weights"} - held
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(PUBLIC.glob("*.h"))}
    texts = {name: text for name, text in texts.items() if Path(name).stem not in absent}
    return {f"include/dredkit/{name}": text for name, text in {**texts, "config.h": config}.items()}


def private_files(product: Product) -> tuple[Files, bytes]:
    """Return src/, and the blob of the product's weights, which is empty for none.

    src/ has C files, private headers, and the generated model in src/generated/. An include of a
    generated header names its folder, so that `src` is the only private path.
    """
    made: Files = {}
    for stage in product.stages.values():
        made |= generated_files(stage, product.core.isa)
    blob = b""
    if product.blob:
        stages, linked = [*product.stages.values()], product.blob == BESIDE
        made, blob = with_blob(made, stages, product.core.isa, product.hash, linked)
    files = library_files(product.stages, product.voice, blob=bool(product.blob))
    chosen = of_isa(files, product.core.isa)
    texts = {str(path.relative_to(LIBRARY)): path.read_text(encoding="utf-8") for path in chosen}
    texts |= _headers(texts.values(), made.values(), product.core)
    texts[_CHOICE] = pinned(texts[_CHOICE], product.core)
    texts |= {f"{GENERATED}/{name}": text for name, text in made.items()}
    source = {f"src/{name}": _redirected(text, made) for name, text in sorted(texts.items())}
    return source, blob


def forwarding_headers(headers: Iterable[str]) -> Files:
    """Return headers in src/ that include the public ones, for builds that know src/ alone.

    The Arduino IDE is such a build.
    """
    found = {}
    for name in headers:
        found[name.replace("include/", "src/", 1)] = f'{BANNER}#include "../../{name}"\n'
    found["src/dredkit.h"] = f'{BANNER}#include "dredkit/dredkit.h"\n'
    return found


def pinned(choice: str, core: Core) -> str:
    """Return dk_isa.h with the ISA of a core fixed: another compiler's choice is an error."""
    assert choice.count(_GUARD) == 1
    if core.is_portable:
        asked = "// This folder has portable C alone.\n#define DK_ISA_PORTABLE 1\n"
        return choice.replace(_GUARD, f"{_GUARD}\n{asked}")
    check = (
        f"#if !defined({ISAS[core.isa].macro})\n"
        f'#error "this folder is for {core.title}: compile with {" ".join(core.flags)}"\n#endif\n'
    )
    if core.needs_gcc:
        check += (
            "#if defined(__clang__)\n"
            '#error "these kernels are assembly for GCC: write the folder with --portable"\n'
            "#endif\n"
        )
    before, _, after = choice.rpartition("\n#endif\n")
    return f"{before}\n{check}\n#endif\n{after}"


def _headers(sources: Iterable[str], made: Iterable[str], core: Core) -> Files:
    """Return the private headers that these sources include, headers of other ISAs left out."""
    found: Files = {_CHOICE: (LIBRARY / _CHOICE).read_text(encoding="utf-8")}
    left = [name for text in (*sources, *made) for _, name, _ in _INCLUDE.findall(text)]
    while left:
        name = left.pop()
        path = LIBRARY / name
        isa = path.parent.name
        foreign = isa in ISAS and isa not in chain(core.isa)
        if name in found or foreign or not path.is_file():
            continue
        found[name] = path.read_text(encoding="utf-8")
        left += [other for _, other, _ in _INCLUDE.findall(found[name])]
    return found


def _redirected(text: str, made: Files) -> str:
    """Return C whose includes of generated headers name the folder src/generated/."""

    def named(match: re.Match[str]) -> str:
        head, name, tail = match.groups()
        return f"{head}{GENERATED}/{name}{tail}" if name in made else match.group()

    return _INCLUDE.sub(named, text)
