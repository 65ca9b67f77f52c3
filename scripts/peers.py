# SPDX-License-Identifier: BSD-3-Clause
"""Compare the receiver with another decoder's recordings: `python -m scripts.peers FOLDER`.

FOLDER has a folder for each utterance:

plain.bit        packets without redundancy, in opus_demo's format; --kind deep takes them
RATE.KIND.bit    packets with redundancy: --kind dred, or dredlbrr where LBRR is used too
RATE.loss        0 or 1 for each packet; 1 is lost
RATE.KIND.flac   what the other decoder plays of these packets, 16 kHz, from sample 104 on

RATE is any name, such as 20 or gap. The firmware's receiver, compiled for this machine, plays the
same packets under the same losses behind the system's libopus. PLCMOS judges both. The last line is
the mean of the differences and half of its 95 % interval; the exit code is 1 if the mean is below
--at-least. Weights are read from $DREDKIT_UPSTREAM, else from ../shared/opus-1.6.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from scipy import stats

from scripts.measured import OPUS, UPSTREAM
from toolkit.call.bitfile import Record, read_bitfile
from toolkit.call.library import ReceiverLibrary, build_receiver
from toolkit.call.losses import read_pattern, spread
from toolkit.call.play import play
from toolkit.common.errors import DredkitError, InputError, exit_code
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.speech.audio import Pcm
from toolkit.verify.scoring.metrics import Plcmos

KINDS: Final = ("deep", "dred", "dredlbrr")
DELAY: Final = 104  # samples of the base decoder's output before the recordings begin
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Peer:
    """One utterance under one loss pattern: the packets, the losses, what the other one plays."""

    name: str
    records: list[Record]
    lost: list[bool]
    lbrr: bool
    played: Pcm


def peers(folder: Path, kind: str, rate: str) -> Iterator[Peer]:
    """Yield the utterances of a folder that have a recording; raises InputError without any."""
    found = sorted(folder.glob(f"*/{rate}.{kind}.flac"))
    if not found:
        raise InputError(f"{folder}: no folder in it has a {rate}.{kind}.flac")
    for path in found:
        packets = "plain.bit" if kind == "deep" else f"{rate}.{kind}.bit"
        records = read_bitfile(path.with_name(packets))
        lost = spread(read_pattern(path.with_name(f"{rate}.loss")), len(records))
        pcm, _ = soundfile.read(path, dtype="int16")
        yield Peer(path.parent.name, records, lost, kind == "dredlbrr", pcm)


def receiver(voice: str, predictor: str, folder: Path) -> ReceiverLibrary:
    """Return the firmware's receiver with the weights of an Opus release."""
    files = {option: UPSTREAM / name for option, name in OPUS.items()}
    sources = Sources(
        files["--weights"], files["--pitch"], files["--tables"], decoder=files["--decoder"],
        voice=voice, predictor=predictor,
    )  # fmt: skip
    model, _ = quantise_decoder(sources, quantise_encoder(sources)[0])
    return ReceiverLibrary(build_receiver(model, folder))


def spoken(library: ReceiverLibrary, peer: Peer) -> Pcm:
    """Return what the receiver plays of a peer's packets, aligned with its recording."""
    played = play(library.start(), peer.records, peer.lost, lbrr=peer.lbrr).pcm[DELAY:]
    if len(played) < len(peer.played):
        raise InputError(f"{peer.name}: the recording is longer than its packets")
    return played[: len(peer.played)]


def interval(differences: list[float]) -> tuple[float, float]:
    """Return the mean and half of its 95 % interval by Student's t; nan for one value alone."""
    values = np.array(differences)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return float(values.mean()), reach * float(values.std(ddof=1)) / len(values) ** 0.5


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="scripts.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="deep")
    parser.add_argument("--rate", default="20", help="20 if left out")
    parser.add_argument("--voice", default=str(UPSTREAM / "weights" / "fargan.bin"))
    parser.add_argument("--predictor", default=str(UPSTREAM / "weights" / "plc.bin"))
    parser.add_argument("--at-least", type=float, default=-np.inf, metavar="PLCMOS")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Judge both on every utterance, and print the scores."""
    given = arguments(words)
    try:
        judge = Plcmos()
        listed = list(peers(given.folder, given.kind, given.rate))
        with tempfile.TemporaryDirectory() as folder:
            library = receiver(given.voice, given.predictor, Path(folder))
            differences = []
            for peer in listed:
                own, other = judge.score(spoken(library, peer)), judge.score(peer.played)
                differences.append(own - other)
                print(f"{peer.name:20} {own:.3f} {other:.3f} {own - other:+.3f}", flush=True)
    except (DredkitError, InputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return exit_code(error)
    mean, half = interval(differences)
    print(f"{len(differences)} utterances: {mean:+.3f} +- {half:.3f}")
    return int(mean < given.at_least)


if __name__ == "__main__":
    sys.exit(main())
