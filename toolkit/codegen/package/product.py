# SPDX-License-Identifier: BSD-3-Clause
"""Describe a package: the core, the model of each role, and the rates."""

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from quantize.errors import InputError
from quantize.vocoder.voices import voice_name
from toolkit.stages.stage import DecoderStage, EncoderStage, Stage
from toolkit.targets.cores import Core
from toolkit.targets.sources import LIBRARY

SENDER: Final = "sender"
RECEIVER: Final = "receiver"
BESIDE: Final = "beside"
ALONE: Final = "alone"
ROLES: Final[dict[str, tuple[str, ...]]] = {
    SENDER: (SENDER,),
    RECEIVER: (RECEIVER,),
    "duplex": (SENDER, RECEIVER),
}
VERSION_HEADER: Final = LIBRARY / "include" / "dredkit" / "version.h"
_VERSION: Final = re.compile(r'^#define DK_VERSION_STRING "(\S+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Product:
    """What a package is for. At least one role has its stage.

    `blob` says whether a file has the weights: "" not, BESIDE or in place of (ALONE) the linked-in
    ones.
    Raises InputError if sender and receiver are of two models.
    """

    core: Core
    sender: EncoderStage | None
    receiver: DecoderStage | None
    blob: str = ""

    def __post_init__(self) -> None:
        if self.sender is None or self.receiver is None:
            return
        tables = self.receiver.model.networks.tables
        if self.sender.model.tables.to_bytes() != tables.to_bytes():
            raise InputError("sender and receiver are of two models: their entropy tables differ")

    @property
    def stages(self) -> dict[str, Stage]:
        """The stage of each role."""
        found = {SENDER: self.sender, RECEIVER: self.receiver}
        return {role: stage for role, stage in found.items() if stage is not None}

    @property
    def role(self) -> str:
        """The word that `--role` takes for its roles."""
        return next(word for word, roles in ROLES.items() if roles == tuple(self.stages))

    @property
    def voice(self) -> str:
        """The name of the receiver's voice; empty without a receiver."""
        return voice_name(self.receiver.model.voice) if self.receiver else ""

    @property
    def output_rate(self) -> int:
        """Samples a second that the receiver plays; 0 without a receiver."""
        return self.receiver.output_rate if self.receiver else 0

    @property
    def hash(self) -> str:
        """The hash of the model: the one of its only role, or one of both roles' hashes."""
        hashes = [stage.hash for stage in self.stages.values()]
        return (
            hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
        )

    @property
    def name(self) -> str:
        """The name of the file that the RDO-VAE's weights came from."""
        stage = next(iter(self.stages.values()))
        return stage.networks[-1].source.get("name", "unnamed")


@functools.cache
def library_version() -> str:
    """Return the version of the library, such as "0.2.0"."""
    found = _VERSION.search(VERSION_HEADER.read_text(encoding="utf-8"))
    assert found is not None, VERSION_HEADER
    return found.group(1)
