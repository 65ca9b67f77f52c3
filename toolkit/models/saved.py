# SPDX-License-Identifier: BSD-3-Clause
"""A quantised model in memory, and the file that holds one: a network, a sender or a receiver."""

from pathlib import Path

from quantize.codec import receiver_model as decoder
from quantize.codec import sender as encoder
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.errors import InputError
from quantize.nn.model import QuantisedModel
from quantize.nn.model_file import read_file
from toolkit.models.importers.kinds import MODEL, UNKNOWN, kind_of

Model = QuantisedModel | EncoderModel | DecoderModel

_HEADER_BYTES = 4096  # the first bytes, where a sender's or receiver's file names its format


def load_receiver(path: Path) -> DecoderModel:
    """Read a quantised receiver; raises InputError for anything else."""
    found = load_quantised(path, "decoder")
    if not isinstance(found, DecoderModel):
        raise InputError(f"{path}: holds no receiver; run `dredkit quantize --stage decoder` first")
    return found


def load_quantised(path: Path, stage: str = "encoder") -> Model:
    """Read a quantised network, sender or receiver; InputError if the file holds none of them.

    The error advises to quantise a model of `stage`.
    """
    words = "" if stage == "encoder" else f" --stage {stage}"
    cure = f"run `dredkit quantize{words}` first"
    data = read_file(path, cure=cure)
    kind = kind_of(data)
    if kind not in (MODEL, UNKNOWN):
        raise InputError(f"{path}: is {kind}, not a quantised model; {cure}")
    head = data[:_HEADER_BYTES]
    if encoder.FORMAT.encode() in head:
        return EncoderModel.load(path)
    if decoder.FORMAT.encode() in head:
        return DecoderModel.load(path)
    return QuantisedModel.load(path)
