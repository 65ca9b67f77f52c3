# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit simulate`: Opus packets with DRED, written from speech or read from a file."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from quantize.dred.tables import EntropyTables
from quantize.encoder import EncoderModel
from toolkit.audio import read_speech
from toolkit.commands import options
from toolkit.commands.taken import Forms, refuse_ignored
from toolkit.console import emit_json, err, json_option
from toolkit.errors import InputError
from toolkit.extension import Framing
from toolkit.importers.entropy import read_tables
from toolkit.kinds import SEED_MAX, InputFile, OutputFile
from toolkit.outcome import Telling
from toolkit.paths import BUILD
from toolkit.simulate.bitfile import read_bitfile, write_bitfile
from toolkit.simulate.codec import BITRATE_MAX, BITRATE_MIN
from toolkit.simulate.receiver import Redundancy, lose, read_redundancy, survival
from toolkit.simulate.sender import send
from toolkit.stage import load_quantised
from toolkit.steps import Sources, quantise_encoder

_PREFIX_MAX = 8  # bytes: two are in use
_SOURCES: Forms = {
    "--read": (),
    "making packets (without --read)": ("audio", "pitch", "output", "bitrate", "duration"),
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
@click.option("--output", type=OutputFile(), default=BUILD / "simulate.bit")
@click.option("--bitrate", type=click.IntRange(BITRATE_MIN, BITRATE_MAX), default=32_000)
@click.option("--loss", type=click.IntRange(0, 74), default=20, help="Percent, in bursts.")
@click.option("--duration", type=click.IntRange(0, 104), default=104, help="In 10 ms, at most.")
@click.option(
    "--seed", type=click.IntRange(0, SEED_MAX), default=0, help="Of the simulated losses."
)
@click.option("--extension-id", type=click.IntRange(32, 127), default=126)
@click.option("--extension-prefix", default="440c", metavar="HEX", help="Marks the version.")
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
    seed: int,
    extension_id: int,
    extension_prefix: str,
    json_to: str | None,
) -> None:
    """Send speech as Opus packets with DRED in their padding, lose some, and count what survives.

    The packets are written in opus_demo's format, which libopus' own tools decode.
    """
    refuse_ignored("--read" if source else "making packets (without --read)", _SOURCES)
    if model is not None:
        refuse_ignored("--model", _MODELS)
    elif source is not None and tables is not None:
        refuse_ignored("--read with --tables", _ENTROPY)
    framing = Framing(extension_id, _hex(extension_prefix))
    encoder = _load(model) if model else None
    if source is None:
        source = output
        with err.status("encoding"):
            encoder = encoder or quantise_encoder(Sources(weights, pitch, tables))[0]
            sent = send(
                read_speech(audio),
                encoder,
                bitrate=bitrate,
                loss=loss,
                duration=duration,
                framing=framing,
            )
        write_bitfile(output, sent.records)
        err.print(f"written     {output}, {len(sent.records)} packets")
    entropy = encoder.tables if encoder else _tables(tables or weights)
    packets = _read(source, entropy, framing)
    outcome = survival(packets, lose(len(packets), loss, seed))
    result = {"file": str(source), **_summary(packets), "simulated_loss": {"seed": seed, **outcome}}
    err.print(_table(result))
    emit_json(json_to, result)


def _load(path: Path) -> EncoderModel:
    model = load_quantised(path)
    if not isinstance(model, EncoderModel):
        raise InputError(f"{path}: one network; a whole encoder is wanted: `dredkit quantize`")
    return model


def _tables(path: Path) -> EntropyTables:
    tables = read_tables(path)
    if tables is None:
        raise InputError(f"{path}: holds no entropy tables; give --tables")
    return tables


def _read(path: Path, tables: EntropyTables, framing: Framing) -> list[Redundancy | None]:
    packets = []
    for i, record in enumerate(read_bitfile(path)):
        try:
            packets.append(read_redundancy(record, tables, framing))
        except InputError as error:
            raise InputError(f"{path}: packet {i}: {error}") from error
    return packets


def _hex(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise InputError(f"--extension-prefix {text}: not hexadecimal") from None
    if len(found) > _PREFIX_MAX:
        raise InputError(f"--extension-prefix: {len(found)} bytes; want at most {_PREFIX_MAX}")
    return found


def _summary(packets: list[Redundancy | None]) -> dict[str, Any]:
    found = [packet for packet in packets if packet is not None]
    count = max(1, len(found))
    first = found[-1] if found else None
    return {
        "packets": len(packets),
        "with_dred": len(found),
        "mean_packet_bytes": sum(p.packet_bytes for p in found) / count,
        "mean_payload_bytes": sum(p.payload_bytes for p in found) / count,
        "mean_chunks": sum(p.chunks for p in found) / count,
        "longest_ms": max((p.covers_to * 2.5 for p in found), default=0.0),
        "level_law": {"q0": first.q0, "dq": first.dq, "qmax": first.qmax} if first else None,
    }


def _table(result: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    loss = result["simulated_loss"]
    for name, value in (
        ("packets", f"{result['packets']}, {result['with_dred']} with DRED"),
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
    ):
        table.add_row(name, value)
    return table
