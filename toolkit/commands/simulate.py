# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit simulate`: Opus packets with DRED, written from speech or read from a file."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from quantize.codec.sender import EncoderModel
from quantize.dred.tables import EntropyTables
from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, Framing
from toolkit.call.bitfile import read_bitfile, write_bitfile
from toolkit.call.codec import BITRATE_MAX, BITRATE_MIN
from toolkit.call.receiver import Received, lose, read_stream, survival
from toolkit.call.sender import PACKET_MS, send
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import SEED_MAX, InputFile, OutputFile
from toolkit.common.paths import BUILD
from toolkit.models.importers.entropy import read_tables
from toolkit.models.quantise import Sources, quantise_encoder
from toolkit.models.saved import load_quantised
from toolkit.speech.audio import read_speech

UNIT_MS: Final = 2.5
_SENDERS: Final = {10: "libopus 1.5"}  # who sends a wire version that dredkit cannot read
_PREFIX_MAX = 8  # bytes: two are in use
_SOURCES: Forms = {
    "--read": (),
    "making packets (without --read)": (
        "audio",
        "pitch",
        "output",
        "bitrate",
        "duration",
        "packet_ms",
    ),
}
_MODELS: Forms = {"--model": (), "quantising without --model": ("weights", "pitch", "tables")}
_ENTROPY: Forms = {"--read with --tables": (), "--read without --tables": ("weights",)}


@click.command("simulate", cls=Telling)
@click.option(
    "--read",
    "source",
    type=InputFile(),
    default=None,
    help="Read this opus_demo packet file (.bit) instead of making one.",
)
@options.audio_option
@options.weights_option
@options.pitch_option
@options.tables_option
@options.model_option
@click.option(
    "--output",
    type=OutputFile(),
    default=BUILD / "simulate.bit",
    help="The packet file to write; build/simulate.bit if left out.",
)
@click.option(
    "--bitrate",
    type=click.IntRange(BITRATE_MIN, BITRATE_MAX),
    default=32_000,
    help="Bit/s of the stream, DRED included.",
)
@click.option(
    "--loss",
    type=click.IntRange(0, 74),
    default=20,
    help="Loss in percent: expected by the sender, and simulated in bursts.",
)
@click.option(
    "--duration",
    type=click.IntRange(0, 104),
    default=104,
    help="Most redundancy in a packet, in units of 10 ms.",
)
@click.option(
    "--packet-ms",
    type=click.Choice([str(ms) for ms in PACKET_MS]),
    default="20",
    show_default=True,
    help="Length of the packets.",
)
@click.option(
    "--seed", type=click.IntRange(0, SEED_MAX), default=0, help="Seed of the simulated losses."
)
@click.option(
    "--extension-id",
    type=click.IntRange(32, 127),
    default=None,
    help="Opus extension of the payload: 126 as in libopus; reading also takes the drafts' 32.",
)
@click.option(
    "--extension-prefix",
    default=None,
    metavar="HEX",
    help="Bytes that mark the version: 440c, or none with ID 32.",
)
@json_option
def command(
    source: Path | None,
    audio: Path,
    weights: Path,
    pitch: Path | None,
    tables: Path | None,
    model: Path | None,
    output: Path,
    bitrate: int,
    loss: int,
    duration: int,
    packet_ms: str,
    seed: int,
    extension_id: int | None,
    extension_prefix: str | None,
    json_to: str | None,
) -> None:
    """Send speech as Opus packets with DRED in their padding, lose some, and count what survives.

    Writes packets in opus_demo's format, which libopus' own tools decode. Packets that are read may
    last 2.5 to 120 ms. Damaged packets are counted, and the others used.
    """
    refuse_ignored("--read" if source else "making packets (without --read)", _SOURCES)
    if model is not None:
        refuse_ignored("--model", _MODELS)
    elif source is not None and tables is not None:
        refuse_ignored("--read with --tables", _ENTROPY)
    framings = _framings(extension_id, extension_prefix)
    encoder = _load(model) if model else None
    cuts: list[str] = []
    if source is not None:
        records = read_bitfile(source, cuts.append)
    else:
        source = output
        with err.status("encoding"):
            encoder = encoder or quantise_encoder(Sources(weights, pitch, tables))[0]
            sent = send(
                read_speech(audio),
                encoder,
                bitrate=bitrate,
                loss=loss,
                duration=duration,
                framing=framings[0],
                packet_ms=int(packet_ms),
            )
        records = sent.records
        write_bitfile(output, records)
        err.print(f"written     {output}, {len(records)} packets")
    entropy = encoder.tables if encoder else _tables(tables or weights)
    packets = read_stream(records, entropy, framings)
    for cut in cuts:
        err.print(cut, markup=False, soft_wrap=True)
    outcome = survival(packets, lose(len(packets), loss, seed))
    result = {
        "file": str(source),
        "cut": bool(cuts),
        **_summary(packets),
        "simulated_loss": {"seed": seed, **outcome},
    }
    err.print(_table(result))
    emit_json(json_to, result)


def _load(path: Path) -> EncoderModel:
    model = load_quantised(path)
    if not isinstance(model, EncoderModel):
        raise InputError(f"{path}: holds no whole sender: `dredkit quantize` writes one")
    return model


def _tables(path: Path) -> EntropyTables:
    tables = read_tables(path)
    if tables is None:
        raise InputError(f"{path}: holds no entropy tables; give --tables")
    return tables


def _framings(number: int | None, prefix: str | None) -> tuple[Framing, ...]:
    """Return the marks of payloads to look for; the first is the one to write."""
    if number is None and prefix is None:
        return (LIBOPUS_1_6, DRAFTS)
    usual = DRAFTS if number == DRAFTS.id else LIBOPUS_1_6
    marks = usual.prefix if prefix is None else _hex(prefix)
    return (Framing(usual.id if number is None else number, marks),)


def _hex(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise InputError(f"--extension-prefix {text}: not hexadecimal") from None
    if len(found) > _PREFIX_MAX:
        raise InputError(f"--extension-prefix: {len(found)} bytes; want at most {_PREFIX_MAX}")
    return found


def _summary(packets: Sequence[Received]) -> dict[str, Any]:
    found = [packet.redundancy for packet in packets if packet.redundancy is not None]
    count = max(1, len(found))
    last = found[-1] if found else None
    versions = Counter(p.other_version for p in packets if p.other_version is not None)
    return {
        "packets": len(packets),
        "packet_ms": sorted({p.units * UNIT_MS for p in packets}),
        "seconds": sum(p.units for p in packets) * UNIT_MS / 1000,
        "with_dred": len(found),
        "absent": sum(not p.heard and p.fault is None for p in packets),
        "damaged": _damage(packets),
        "other_versions": {str(version): versions[version] for version in sorted(versions)},
        "mean_packet_bytes": sum(p.packet_bytes for p in found) / count,
        "mean_payload_bytes": sum(p.payload_bytes for p in found) / count,
        "mean_chunks": sum(p.chunks for p in found) / count,
        "longest_ms": max((p.covers_to * UNIT_MS for p in found), default=0.0),
        "level_law": {"q0": last.q0, "dq": last.dq, "qmax": last.qmax} if last else None,
    }


def _damage(packets: Sequence[Received]) -> dict[str, Any]:
    """Return how many packets have a fault, in them or their redundancy, and the first one's."""
    faults = [(i, packet.fault) for i, packet in enumerate(packets) if packet.fault is not None]
    first = {"packet": faults[0][0], "reason": faults[0][1]} if faults else None
    return {"packets": len(faults), "first": first}


def _table(result: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    loss = result["simulated_loss"]
    durations = ", ".join(f"{ms:g}" for ms in result["packet_ms"])
    rows = [
        ("packets", f"{result['packets']}, {result['with_dred']} with DRED"),
        ("length", f"{durations} ms a packet, {result['seconds']:.2f} s in all"),
        *_remarks(result),
        (
            "bytes",
            f"{result['mean_packet_bytes']:.1f} a packet with DRED, "
            f"{result['mean_payload_bytes']:.1f} of them the payload",
        ),
        (
            "depth",
            f"{result['mean_chunks']:.1f} chunks of 40 ms, {result['longest_ms']:.0f} ms at most",
        ),
        ("losses", f"{loss['lost']} packets lost, {loss['rebuilt']} of them in the redundancy"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _remarks(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for the packets that give no redundancy: how many, and why."""
    rows = []
    if result["absent"]:
        rows.append(("absent", f"{_packets(result['absent'])} without bytes, counted as lost"))
    damaged = result["damaged"]
    if first := damaged["first"]:
        told = f"{_packets(damaged['packets'])}, the first is {first['packet']}: {first['reason']}"
        rows.append(("damaged", told))
    for version, count in result["other_versions"].items():
        sender = _SENDERS.get(int(version))
        whose = f", {sender}'s" if sender else ""
        carry = "carries" if count == 1 else "carry"
        told = f"{_packets(count)} {carry} DRED version {version}{whose}, which dredkit cannot read"
        rows.append(("version", told))
    return rows


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"
