# SPDX-License-Identifier: BSD-3-Clause
"""Which options each form of a command takes; an option that has no effect is refused.

A form is one way to run a command: with a certain stage, or with `--model` in place of weights.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.common.errors import InputError
from toolkit.models.saved import Model

Forms = Mapping[str, Collection[str]]  # form, as a user types it -> names of its parameters

_TYPED: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
RATE: Final = ("q0", "dq", "qmax", "max_bytes", "duration", "bitrate", "loss", "vad")
_SENDER: Final = ("weights", "pitch", "tables")
STAGES: Final[Forms] = {
    "--stage encoder": (*_SENDER, "input_rate", *RATE),
    "--stage decoder": (*_SENDER, "decoder", "voice", "predictor", "batch", *RATE),
    "--stage rdovae_enc": ("weights",),
}
# Of the commands that also take a call.
CALL_STAGES: Final[Forms] = {
    **STAGES,
    "--stage call": (*_SENDER, "decoder", "voice", "predictor", "bitrate", "loss"),
}
ROLES: Final[Forms] = {
    "--role encoder": ("input_rate", *RATE),
    "--role decoder": ("payloads", "sender", "lose", *RATE),
}
# A sender that is quantised from weights makes a receiver's payloads.
MODELS: Final[Forms] = {
    "--model of a sender": ("input_rate", *RATE),
    "--model of a receiver": (*_SENDER, "batch", *RATE),
    "--model of one network": (),
    "quantising without --model": (*_SENDER, "decoder", "voice", "predictor"),
}
PORTS: Final[Forms] = {"a board at --port": (), "an emulated board": ("serial",)}
_KINDS: Final = {"encoder": "a sender", "decoder": "a receiver", "rdovae_enc": "one network"}


def typed(name: str) -> bool:
    """Return whether the user gave this parameter to the running command."""
    return click.get_current_context().get_parameter_source(name) in _TYPED


def refuse_ignored(form: str, forms: Forms) -> None:
    """Raise InputError for an option that was given though `form` does not take it.

    Every form takes an option that no form names. The error names the option and the forms that
    take it.
    """
    for param in click.get_current_context().command.params:
        name = param.name or ""
        takers = [other for other, names in forms.items() if name in names]
        if takers and form not in takers and typed(name):
            flag = max(param.opts, key=len)
            verb = "does" if len(takers) == 1 else "do"
            raise InputError(f"{flag}: {form} does not take it; {' and '.join(takers)} {verb}")


def check_stage(
    stage: str, model: Model | None = None, path: Path | None = None, forms: Forms = STAGES
) -> None:
    """Refuse options that a stage, or a model read from `path`, does not take.

    `forms` has the stages of the command.
    Also raises InputError if --stage and the model contradict each other.
    """
    if model is None or path is None:
        refuse_ignored(f"--stage {stage}", forms)
        return
    kind = kind_of(model)
    if stage == "call" and kind == "decoder":
        return
    if typed("stage") and stage != kind:
        raise InputError(f"--stage {stage}: {path} holds {_KINDS[kind]}; leave out one of them")
    refuse_ignored(f"--model of {_KINDS[kind]}", MODELS)


def kind_of(model: Model) -> str:
    """Return the stage that a model is for."""
    if isinstance(model, EncoderModel):
        return "encoder"
    return "decoder" if isinstance(model, DecoderModel) else "rdovae_enc"
