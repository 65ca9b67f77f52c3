# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit conformance`: libopus' DRED vectors, decoded in integers and judged by its limits."""

from pathlib import Path

import click
from rich import box
from rich.table import Table

from toolkit.call.conformance.judge import Judgement, judge
from toolkit.call.conformance.vectors import find_vectors
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import CheckFailed
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.models.saved import load_receiver


@click.command("conformance", cls=Telling)
@click.argument("files", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@options.source_options
@options.model_option
@json_option
def command(
    files: tuple[Path, ...], sources: Sources, model: Path | None, json_to: str | None
) -> None:
    """Decode libopus' DRED vectors in integers, and judge the results by xiph's limits.

    \b
    FILES are vectors or folders of them, with the names that libopus' tests use:
    NAME_dred.bit      decoded to features; compared with NAME_dred_dec.f32
    NAME_features.f32  spoken; compared with NAME_orig.sw
    NAME_opus.bit      played by the whole receiver; compared with NAME_orig.sw

    Vectors that libopus made need --weights of its release. The integers are those that every board
    computes: `dredkit verify` proves that.
    """
    vectors = find_vectors(files)
    with err.status("quantising"):
        if model is not None:
            receiver = load_receiver(model)
        else:
            receiver = quantise_decoder(sources, quantise_encoder(sources)[0])[0]
    found = []
    for vector in vectors:
        with err.status(f"decoding {vector.file.name}"):
            found.append(judge(vector, receiver))
    err.print(_table(found))
    ok = all(one.ok for one in found)
    emit_json(
        json_to,
        {"ok": ok, "model_hash": receiver.hash, "vectors": [one.as_json() for one in found]},
    )
    failed = [one for one in found if not one.ok]
    if failed:
        worst = failed[0]
        name = next(n for n, limit in worst.limits.items() if worst.errors[n] > limit)
        raise CheckFailed(
            f"{len(failed)} of {len(found)} vectors are beyond the limits; first: "
            f"{worst.vector.file.name}, {name} {worst.errors[name]:.3f}, limit {worst.limits[name]}"
        )


def _table(found: list[Judgement]) -> Table:
    rows = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "vector", "kind", "errors (limits)"):
        rows.add_column(heading)
    for one in found:
        figures = ", ".join(
            f"{name} {one.errors[name]:.3f} ({limit:g})" for name, limit in one.limits.items()
        )
        rows.add_row("✓" if one.ok else "✗", one.vector.name, one.vector.kind, figures)
    return rows
