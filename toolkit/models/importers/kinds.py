# SPDX-License-Identifier: BSD-3-Clause
"""Describe a file that was given for weights, in words for a message."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from quantize.errors import InputError
from quantize.files.reading import shown
from quantize.files.tensor_file import parse
from toolkit.models.importers import dnnw

# The networks of Opus and its successors, by how their layers' names begin.
_LAYERS: Final = {
    "enc_": "DRED's encoder",
    "gdense": "DRED's encoder",
    "dec_": "DRED's decoder",
    "dense_if_upsampler": "the pitch network PitchDNN",
    "plc_": "the packet loss concealment (PLC)",
    "cond_net_": "the vocoder FARGAN",
    "sig_net_": "the vocoder FARGAN",
    "lace_": "the speech enhancement LACE",
    "nolace_": "the speech enhancement NoLACE",
    "bbwenet_": "the bandwidth extension BBWENet",
    "lossgen_": "the loss generator",
    "feature_conv": "the vocoder LPCNet",
    "gru_a_": "the vocoder LPCNet",
}
_MAGICS: Final = {
    b"RIFF": "a WAV recording",
    b"PK\x03\x04": "a zip archive, as torch checkpoints are",
    b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program",
    b"\x1f\x8b": "a gzip archive",
    b"\x80\x02": "a Python pickle",
}
_C_WORDS: Final = (b"#include ", b"#ifdef", b"#ifndef", b"const ")
UNKNOWN: Final = "an unknown file"
_SAMPLE: Final = 4096  # bytes by which a text is known
MODEL: Final = "a quantised model"
_IMPORT: Final = "`dredkit import` makes a checkpoint of"
_CURES: Final = {
    "a zip archive, as torch checkpoints are": f"{_IMPORT} xiph's LPCNet in torch (.pth)",
    "a Python pickle": f"{_IMPORT} xiph's LPCNet in torch (.pth)",
    MODEL: "it is quantised already",
}


def kind_of(data: bytes) -> str:
    """Describe a file by its bytes: "a text file", "an Opus blob of the vocoder FARGAN", ..."""
    if not data:
        return "an empty file"
    if data[: len(dnnw.MAGIC)] == dnnw.MAGIC:
        return _blob(data)
    for magic, words in _MAGICS.items():
        if data.startswith(magic):
            return words
    try:
        file = parse(data, "")
    except InputError:
        return _text(data[:_SAMPLE])
    if "dredkit" in file.notes and _is_model(file.notes["dredkit"]):
        return MODEL
    return f"a checkpoint of {_networks(file.tensors)}"


def foreign(
    path: Path, data: bytes, wanted: str, c_source: str = f"{_IMPORT} an Opus release's *_data.c"
) -> InputError | None:
    """Return the error for a file that cannot be weights; None for a file that may be weights.

    `wanted` says what was expected, `c_source` what to do with a C source.
    """
    kind = kind_of(data)
    if kind.startswith(("an Opus", "a checkpoint", UNKNOWN)):
        return None
    cure = {**_CURES, "C source": c_source}.get(kind, "")
    return InputError(f"{path}: is {kind}, not {wanted}{'; ' if cure else ''}{cure}")


def _blob(data: bytes) -> str:
    try:
        records = dnnw.read_records(data, "")
    except InputError:
        return "an Opus blob, damaged"
    return f"an Opus blob of {_networks(records)}"


def _networks(names: Iterable[str]) -> str:
    """Say which networks have layers of these names, at most three of them."""
    names = list(names)
    found = [words for start, words in _LAYERS.items() if any(n.startswith(start) for n in names)]
    known = list(dict.fromkeys(found))
    if known:
        return " and ".join(known[:3])
    first = next(iter(names), None)
    return "no layers" if first is None else f"an unknown network ({shown(first)}, ...)"


def _is_model(note: str) -> bool:
    try:
        told = json.loads(note)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and "format" in told


def _text(start: bytes) -> str:
    try:
        words = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4 or len(start) < _SAMPLE:
            return UNKNOWN
        words = start[: error.start].decode("utf-8")
    if not all(letter.isprintable() or letter.isspace() for letter in words):
        return UNKNOWN
    return "C source" if any(word in start for word in _C_WORDS) else "a text file"
