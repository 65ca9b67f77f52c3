# SPDX-License-Identifier: BSD-3-Clause
"""What `dredkit call` writes and says of one call."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from quantize.codec.receiver import FRAME, SLOT_MS, State
from quantize.files.write import write_whole
from toolkit.call.bitfile import write_bitfile
from toolkit.call.one import Call, Outcome
from toolkit.common.console import emit_json, err
from toolkit.common.places import CALL_FACTS, CALL_LOSSES, CALL_PACKETS, CALL_TIMELINE, PAGE
from toolkit.report.call import RATE, Take, write_call_page
from toolkit.report.timeline import arrivals, speakers, timeline_svg
from toolkit.speech.audio import write_wav
from toolkit.verify.scoring.metrics import Plcmos

_BASE: Final = "no-dred"
_SENT: Final = "sent"
TAKES: Final = (_BASE, _SENT)  # what is not a voice's
_NAMES: Final = {state: state.name.lower() for state in State}


def conclude(
    call: Call,
    outcome: Outcome,
    made: Mapping[str, str],
    score: bool,
    folder: Path,
    json_to: str | None,
) -> None:
    """Write a call's files into a folder, and tell on the terminal what became of it."""
    takes = _takes(outcome)
    for take in takes:
        write_wav(folder / take.file, take.pcm, RATE)
    write_bitfile(folder / CALL_PACKETS, outcome.records)
    flags = "".join("01"[gone] for gone in outcome.base.gone)
    write_whole(folder / CALL_LOSSES, (flags + "\n").encode())
    drawing = _timeline(outcome, call.source.name)
    write_whole(folder / CALL_TIMELINE, drawing.encode())
    facts = _facts(call, outcome, made)
    facts["plcmos"] = _scores(takes) if score else None
    facts["files"] = {take.name: take.file for take in takes}
    emit_json(str(folder / CALL_FACTS), facts)
    write_call_page(folder / PAGE, facts, takes, drawing)
    for cut in outcome.cut:
        err.print(cut)
    err.print(_table(facts))
    err.print(f"page        {folder / PAGE}")
    emit_json(json_to, facts)


def _takes(outcome: Outcome) -> list[Take]:
    """Return all recordings that a listener compares, what our receiver plays first."""
    takes = [
        Take(voice, "what our receiver plays with this voice", f"played-{voice}.wav", played.pcm)
        for voice, played in outcome.played.items()
    ]
    base = outcome.base.pcm.reshape(-1)
    takes.append(Take(_BASE, "the base codec alone conceals", f"{_BASE}.wav", base))
    if outcome.sent is not None:
        takes.append(Take(_SENT, "the recording", f"{_SENT}.wav", outcome.sent))
    return takes


def _timeline(outcome: Outcome, title: str) -> str:
    ms = outcome.base.samples * SLOT_MS / FRAME
    carries = next(iter(outcome.played.values())).carries
    lanes = [arrivals(outcome.base.gone, carries, ms)]
    lanes += [speakers(voice, played.sources) for voice, played in outcome.played.items()]
    return timeline_svg(lanes, title)


def _scores(takes: list[Take]) -> dict[str, float]:
    with err.status("scoring"):
        judge = Plcmos()
        return {take.name: judge.score(take.pcm) for take in takes}


def _facts(call: Call, outcome: Outcome, made: Mapping[str, str]) -> dict[str, Any]:
    records, base = outcome.records, outcome.base
    seconds = base.pcm.size / RATE
    lost = sum(base.gone)
    gaps = [len(list(group)) for gone, group in groupby(base.gone) if gone]
    carries = next(iter(outcome.played.values())).carries
    stream = "the packets of the file"
    if outcome.sent is not None:
        lbrr = ", with in-band FEC" if call.lbrr else ""
        stream = f"asked for {call.bitrate / 1000:g} kb/s in all{lbrr}"
    return {
        "source": call.source.name,
        "packets": len(records),
        "packet_ms": base.samples * SLOT_MS / FRAME,
        "seconds": seconds,
        "bitrate": 8 * sum(len(record.packet) for record in records) / seconds,
        "losses": {
            "how": call.losses.how,
            "lost": lost,
            "percent": 100 * lost / len(records),
            "gaps": len(gaps),
            "longest": max(gaps, default=0),
        },
        "arrived_with_payload": sum(carries),
        "recovered": sum(base.recovers),
        "cut": bool(outcome.cut),
        "voices": {voice: _spoke(played.sources) for voice, played in outcome.played.items()},
        "made": {"stream": stream, **made},
    }


def _spoke(sources: list[State]) -> dict[str, int]:
    """Return the ms that came from each source."""
    counts = Counter(sources)
    return {_NAMES[state]: SLOT_MS * counts[state] for state in State}


def _table(facts: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    losses = facts["losses"]
    table.add_row(
        "packets",
        f"{facts['packets']} of {facts['packet_ms']:g} ms, {facts['bitrate'] / 1000:.1f} kb/s; "
        f"{facts['arrived_with_payload']} arrived with DRED",
    )
    table.add_row(
        "losses",
        f"{losses['lost']} ({losses['percent']:.1f} %) {losses['how']}: {losses['gaps']} gaps, "
        f"the longest of {losses['longest']} packets",
    )
    for voice, spoke in facts["voices"].items():
        said = ", ".join(f"{name} {ms / 1000:.2f}" for name, ms in spoke.items())
        table.add_row(voice, f"seconds {said}")
    for name, value in (facts["plcmos"] or {}).items():
        table.add_row("PLCMOS", f"{value:.2f}  {name}")
    return table
