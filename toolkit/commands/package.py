# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit package`: models + core -> one folder that a product takes."""

from pathlib import Path

import click

from quantize.codec.receiver import OUTPUT_RATES
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.codegen.package.product import (
    ALONE,
    BESIDE,
    RECEIVER,
    ROLES,
    SENDER,
    Product,
)
from toolkit.codegen.package.write import write_package
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import refuse_ignored
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import Folder, InputFile, Name
from toolkit.measure.package.figures import measure_package
from toolkit.models.quantise import Sources, for_target, quantise_decoder, quantise_encoder
from toolkit.models.saved import load_quantised
from toolkit.stages.sending import Sending
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.cores import cores, load_core

_SENDER = ("weights", "pitch", "tables")
_RECEIVER = ("decoder", "voice")
_ROLES = {
    "--role sender": (*_SENDER, "input_rate"),
    "--role receiver": (*_SENDER, *_RECEIVER, "batch", "output_rate"),
    "--role duplex": (*_SENDER, *_RECEIVER, "batch", "output_rate", "input_rate"),
}
_MODELS = {"--model": (), "quantising without --model": (*_SENDER, *_RECEIVER)}


@click.command("package", cls=Telling)
@click.option(
    "--target-core",
    type=Name(list(cores())),
    metavar="NAME",
    required=True,
    help=f"The product's core: {', '.join(cores())}.",
)
@click.option(
    "--role",
    type=Name(list(ROLES)),
    default="duplex",
    show_default=True,
    help="What the product does: send, receive, or both in one image.",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Portable C in place of the core's kernels: for another compiler than GCC.",
)
@options.source_options
@click.option(
    "--model",
    "models",
    type=InputFile(made=True),
    multiple=True,
    help="A quantised sender or receiver (.dkq) to take instead of quantising --weights; give two "
    "for a duplex.",
)
@options.input_rate_option
@click.option(
    "--output-rate",
    type=Name([str(rate) for rate in OUTPUT_RATES]),
    metavar="HZ",
    default=str(OUTPUT_RATES[0]),
    show_default=True,
    help="Rate of the PCM that a receiver plays: 16000 or 48000.",
)
@options.batch_option
@click.option(
    "--blob",
    type=Name([BESIDE, ALONE]),
    default=None,
    help="Write the weights as a file as well, weights.dkw, that the product opens where it likes: "
    "beside the linked-in ones, or alone.",
)
@click.option("--output", type=Folder(), required=True, metavar="DIR", help="The folder to write.")
@click.option("--no-figures", is_flag=True, help="Measure nothing: the README has no costs.")
@click.option(
    "--cmsis-pack",
    is_flag=True,
    help="Write the folder as a CMSIS-Pack (.pack) into itself as well: for a Cortex-M.",
)
@json_option
def command(
    target_core: str,
    role: str,
    portable: bool,
    sources: Sources,
    models: tuple[Path, ...],
    input_rate: int,
    output_rate: str,
    batch: int,
    blob: str | None,
    output: Path,
    no_figures: bool,
    cmsis_pack: bool,
    json_to: str | None,
) -> None:
    """Write the library for a product: sources of one core, a model, build files, its costs."""
    core = load_core(target_core)
    if portable:
        core = core.with_portable_c()
    refuse_ignored(f"--role {role}", _ROLES)
    refuse_ignored("--model" if models else "quantising without --model", _MODELS)
    sending = Sending(input_rate)
    if cmsis_pack and not core.cmsis:
        raise InputError(f"--cmsis-pack: a CMSIS-Pack cannot name {core.name}; leave it out")
    sources = for_target(sources, core.measuring_board())
    sender, receiver = _models(ROLES[role], sources, models)
    product = Product(
        core,
        EncoderStage(sender, sending) if sender else None,
        DecoderStage(receiver, batch=batch, output_rate=int(output_rate)) if receiver else None,
        blob or "",
    )
    with err.status("measuring" if core.board and not no_figures else "writing"):
        measure = None if no_figures else measure_package
        manifest = write_package(product, output, measure, zipped=cmsis_pack)
    sizes = ", ".join(f"{name} {count}" for name, count in manifest["sizes"].items())
    err.print(f"{output}: {role} for {core.title}; {sizes}", markup=False)
    err.print(f"model hash {manifest['model_hash']}")
    emit_json(json_to, manifest)


def _models(
    roles: tuple[str, ...], sources: Sources, paths: tuple[Path, ...]
) -> tuple[EncoderModel | None, DecoderModel | None]:
    """Return the sender's and the receiver's model as far as `roles` want them."""
    if not paths:
        own = quantise_encoder(sources)[0]
        if RECEIVER not in roles:
            return own, None
        return (own if SENDER in roles else None), quantise_decoder(sources, own)[0]
    found: dict[str, EncoderModel | DecoderModel] = {}
    for path in paths:
        model = load_quantised(path)
        kind = {EncoderModel: SENDER, DecoderModel: RECEIVER}.get(type(model), "network alone")
        if kind not in roles or not isinstance(model, EncoderModel | DecoderModel):
            raise InputError(f"--model {path}: holds a {kind}; wanted is a {' and a '.join(roles)}")
        if kind in found:
            raise InputError(f"--model {path}: a second {kind}; give one of each")
        found[kind] = model
    missing = [role for role in roles if role not in found]
    if missing:
        raise InputError(f"no --model is a {missing[0]}: give one, or another --role")
    sender, receiver = found.get(SENDER), found.get(RECEIVER)
    assert not isinstance(sender, DecoderModel)
    assert not isinstance(receiver, EncoderModel)
    return sender, receiver
