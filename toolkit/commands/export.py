# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit export`: quantised model -> the .tflite of one step, checked by LiteRT."""

from dataclasses import asdict
from pathlib import Path

import click

from quantize.files.write import write_whole
from quantize.litert.export import cross_check, export
from quantize.nn.model import QuantisedModel
from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.option_types import InputFile, OutputFile
from toolkit.common.paths import BUILD
from toolkit.models.quantise import CLIP
from toolkit.models.saved import load_quantised
from toolkit.stages.stage import stage_of


@click.command("export", cls=Telling)
@click.option(
    "--model",
    type=InputFile(made=True),
    default=BUILD / "rdovae_enc.dkq",
    help="A quantised network (.dkq); build/rdovae_enc.dkq if left out.",
)
@click.option(
    "--output",
    type=OutputFile(),
    default=None,
    help="The .tflite to write; build/<network>.tflite if left out.",
)
@click.option(
    "--check/--no-check",
    default=True,
    help="First run the shipped clip through LiteRT and compare it with the integer reference.",
)
@json_option
def command(model: Path, output: Path | None, check: bool, json_to: str | None) -> None:
    """Export one step of a quantised model as .tflite, for other interpreters."""
    quantised = load_quantised(model, "rdovae_enc")
    if not isinstance(quantised, QuantisedModel):
        raise InputError(f"{model}: one network is exported: `dredkit quantize --stage rdovae_enc`")
    content = export(quantised)
    steps, mismatch = 0, None
    if check:
        with err.status("comparing with LiteRT"):
            inputs = stage_of(quantised).inputs(CLIP)
            steps, mismatch = len(inputs), cross_check(quantised, inputs)
    target = output or BUILD / f"{quantised.graph.name}.tflite"
    if mismatch is None:
        write_whole(target, content)
    verdict = f"{steps} steps equal in LiteRT" if check else "not checked"
    emit_json(
        json_to,
        {
            "output": str(target) if mismatch is None else None,
            "bytes": len(content),
            "stage": quantised.graph.name,
            "model_hash": quantised.hash,
            "checked_steps": steps,
            "first_mismatch": None if mismatch is None else asdict(mismatch),
        },
    )
    if mismatch is not None:
        raise CheckFailed(f"LiteRT disagrees: {mismatch}; nothing was written")
    err.print(f"{target}: {len(content)} bytes, {verdict}")
