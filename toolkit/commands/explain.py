# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit explain`: what the packets of a file carry, and what the loss of each would cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from quantize.packet.extension import LIBOPUS_1_6, UNIT_MS
from toolkit.call.bitfile import RECORDS_MAX, read_bitfile
from toolkit.call.explain import Carried, Explained, explain, rebuilt_share
from toolkit.call.receiver import Received
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.packets import (
    SENDERS,
    extension_id_option,
    extension_prefix_option,
    framings_of,
    tables_in,
)
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import InputFile
from toolkit.models.importers import SHIPPED

_BURSTS: Final = (1, 2, 3, 5, 10, 25)  # packets
# Headings of the table's columns, and those that hold words instead of numbers.
_COLUMNS: Final = (
    *("#", "at", "bytes", "audio", "payload", "level", "offset", "chunks", "bits", "covers"),
    "if lost",
)
_WORDS: Final = ("audio", "payload", "if lost")


@click.command("explain", cls=Telling)
@click.argument("packets", type=InputFile())
@click.option(
    "--from",
    "start",
    type=click.IntRange(0, RECORDS_MAX),
    default=0,
    help="The first packet to show, counted from 0.",
)
@click.option(
    "--count",
    type=click.IntRange(1, RECORDS_MAX),
    default=None,
    help="How many packets to show; all if left out.",
)
@click.option(
    "--tables",
    type=InputFile(),
    default=SHIPPED,
    help="Entropy tables of the model that made the packets: a checkpoint or 4800 bytes; those of "
    "the shipped one if left out.",
)
@extension_id_option
@extension_prefix_option
@json_option
def command(
    packets: Path,
    start: int,
    count: int | None,
    tables: Path,
    extension_id: int | None,
    extension_prefix: str | None,
    json_to: str | None,
) -> None:
    """Show the redundancy in each packet of opus_demo's file PACKETS (.bit).

    \b
    at       ms since the first packet
    bytes    the whole packet
    audio    ms and coding; frames x ms if there are several
    payload  bytes of DRED; its ID if not 126; ms to the frame that it belongs to
    level    q0/dQ/qmax
    offset   units of 2.5 ms (docs/FORMAT.md, section 3)
    chunks   of 40 ms
    bits     header and initial state + chunks
    covers   ms before the packet that can be rebuilt; a-b: the newest a are silent
    if lost  ms of this packet that the next one rebuilds / ms lost; then what a
             later packet rebuilds, if that is more, and how many packets later
    """
    framings = framings_of(extension_id, extension_prefix)
    entropy = tables_in(tables)
    cuts: list[str] = []
    with err.status("reading"):
        read = explain(read_bitfile(packets, cuts.append), entropy, framings)
    if start >= len(read):
        raise InputError(f"--from {start}: {packets} has {len(read)} packets, counted from 0")
    shown = read[start:] if count is None else read[start : start + count]
    for cut in cuts:
        err.print(cut)
    err.print(_table(shown, start))
    for i, packet in enumerate(shown):
        if packet.received.fault is not None:
            err.print(f"packet {start + i}: {packet.received.fault}")
    result = {"file": str(packets), "cut": bool(cuts), **_summary(read)}
    _tell(result)
    result["shown"] = [_as_json(start + i, packet) for i, packet in enumerate(shown)]
    emit_json(json_to, result)


def _summary(packets: Sequence[Explained]) -> dict[str, Any]:
    """Return figures of the whole file."""
    return {
        "packets": len(packets),
        "with_dred": sum(packet.carried is not None for packet in packets),
        # Share of the audio that the packet after so many lost ones rebuilds.
        "rebuilt_after": {str(burst): rebuilt_share(packets, burst) for burst in _BURSTS},
    }


def _tell(result: dict[str, Any]) -> None:
    err.print(f"{result['packets']} packets, {result['with_dred']} with DRED")
    shares = {
        burst: f"{100 * share:.0f} %"
        for burst, share in result["rebuilt_after"].items()
        if share is not None
    }
    if shares:
        err.print(
            f"Lost in a row, and rebuilt on average by the next packet: "
            f"{', '.join(f'{burst}: {share}' for burst, share in shares.items())}"
        )


def _table(packets: Sequence[Explained], start: int) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in _COLUMNS:
        table.add_column(heading, justify="left" if heading in _WORDS else "right")
    for i, packet in enumerate(packets):
        row = [str(start + i), f"{packet.start * UNIT_MS:g}", str(packet.bytes), _audio(packet)]
        table.add_row(*row, *_dred(packet), _if_lost(packet))
    return table


def _audio(packet: Explained) -> str:
    coding = packet.coding
    if coding is None:
        return "absent" if packet.received.fault is None else "damaged"
    frames = "" if coding.frames == 1 else f"{coding.frames} x "
    stereo = " stereo" if coding.channels == 2 else ""
    return f"{frames}{coding.frame_units * UNIT_MS:g} {coding.mode}{stereo}"


def _dred(packet: Explained) -> tuple[str, str, str, str, str, str]:
    """Return the cells from the payload to what it covers."""
    carried, redundancy = packet.carried, packet.received.redundancy
    if carried is None or redundancy is None:
        return _nothing(packet.received), "", "", "", "", ""
    header, framing = carried.header, carried.framing
    number = "" if framing.id == LIBOPUS_1_6.id else f", ID {framing.id}"
    later = f", +{carried.frame_offset * UNIT_MS:g} ms" if carried.frame_offset else ""
    silent = f"{redundancy.covers_from * UNIT_MS:g}-" if redundancy.covers_from else ""
    return (
        f"{carried.payload_bytes}{number}{later}",
        f"{header.q0}/{header.dq}/{header.qmax}",
        str(header.offset),
        str(carried.chunks),
        f"{carried.ends[0]}+{sum(carried.chunk_bits)}",
        f"{silent}{redundancy.covers_to * UNIT_MS:g}",
    )


def _nothing(packet: Received) -> str:
    """Return why a packet has no redundancy, in a word or two."""
    version = packet.other_version
    if version is not None:
        return f"version {version}" + (f", {SENDERS[version]}'s" if version in SENDERS else "")
    return "damaged" if packet.heard and packet.fault is not None else "-"


def _if_lost(packet: Explained) -> str:
    loss = packet.loss
    said = f"{loss.next * UNIT_MS:g}/{loss.units * UNIT_MS:g}"
    if loss.best > loss.next:
        said += f", {loss.best * UNIT_MS:g} after {loss.best_after}"
    return said


def _as_json(number: int, packet: Explained) -> dict[str, Any]:
    coding, loss, received = packet.coding, packet.loss, packet.received
    return {
        "packet": number,
        "at_ms": packet.start * UNIT_MS,
        "ms": received.units * UNIT_MS,
        "bytes": packet.bytes,
        "heard": received.heard,
        "fault": received.fault,
        "other_version": received.other_version,
        "audio": coding
        and {
            "mode": coding.mode,
            "bandwidth": coding.bandwidth,
            "channels": coding.channels,
            "frames": coding.frames,
            "frame_ms": coding.frame_units * UNIT_MS,
        },
        "dred": packet.carried and _payload_json(packet.carried, packet),
        "if_lost": {
            "ms": loss.units * UNIT_MS,
            "next_ms": loss.next * UNIT_MS,
            "best_ms": loss.best * UNIT_MS,
            "best_after": loss.best_after,
        },
    }


def _payload_json(carried: Carried, packet: Explained) -> dict[str, Any]:
    redundancy = packet.received.redundancy
    assert redundancy is not None
    header, prefix = carried.header, carried.framing.prefix
    return {
        "extension": carried.framing.id,
        "version": prefix[-1] if prefix else None,
        "frame_offset_ms": carried.frame_offset * UNIT_MS,
        "bytes": carried.payload_bytes,
        "q0": header.q0,
        "dq": header.dq,
        "qmax": header.qmax,
        "offset": header.offset,
        "chunks": carried.chunks,
        "levels": carried.levels,
        "bits": {"state": carried.ends[0], "chunks": carried.chunk_bits},
        "silent_ms": redundancy.covers_from * UNIT_MS,
        "covers_ms": redundancy.covers_to * UNIT_MS,
    }
