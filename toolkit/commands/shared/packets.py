# SPDX-License-Identifier: BSD-3-Clause
"""Options of the commands that read packets: how payloads are marked, and the entropy tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from quantize.dred.tables import EntropyTables
from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, PREFIX_MAX, Framing
from toolkit.common.errors import InputError
from toolkit.models.importers.entropy import read_tables

# Who sends a wire version that dredkit cannot read.
SENDERS: Final = {10: "libopus 1.5"}

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

extension_id_option: Decorator = click.option(
    "--extension-id",
    type=click.IntRange(32, 127),
    default=None,
    help="Opus extension of the payload: 126 as in libopus; reading also takes the drafts' 32.",
)
extension_prefix_option: Decorator = click.option(
    "--extension-prefix",
    default=None,
    metavar="HEX",
    help="Bytes that mark the version: 440c, or none with ID 32.",
)


def framings_of(number: int | None, prefix: str | None) -> tuple[Framing, ...]:
    """Return the marks of payloads to look for; the first is the one to write."""
    if number is None and prefix is None:
        return (LIBOPUS_1_6, DRAFTS)
    usual = DRAFTS if number == DRAFTS.id else LIBOPUS_1_6
    marks = usual.prefix if prefix is None else _hex(prefix)
    return (Framing(usual.id if number is None else number, marks),)


def tables_in(path: Path) -> EntropyTables:
    """Read entropy tables; raises InputError for a file without any."""
    tables = read_tables(path)
    if tables is None:
        raise InputError(f"{path}: holds no entropy tables; give --tables")
    return tables


def _hex(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise InputError(f"--extension-prefix {text}: not hexadecimal") from None
    if len(found) > PREFIX_MAX:
        raise InputError(f"--extension-prefix: {len(found)} bytes; want at most {PREFIX_MAX}")
    return found
