# SPDX-License-Identifier: BSD-3-Clause
"""Score whole calls for docs/RESULTS.md: `python -m scripts.call_scores [OPTION...]`.

Runs `dredkit call --table --json` with the options, and writes its figures. It takes an hour of two
cores; a run that was interrupted goes on where it stopped. With `--from FILE` alone it takes the
JSON of such a run instead.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.measured import row
from toolkit.common.paths import ROOT

BEGIN, END = "<!-- call-scores:begin -->", "<!-- call-scores:end -->"
TEXT: Final = """\
`python -m scripts.call_scores` writes these tables, from `dredkit call --table`: {recordings}
recordings of {speakers} speakers in {languages} languages ({codes}), {seconds:.0f} s.

- Recordings: {unseen} are of speakers that no network here was trained on; {prompts} are prompts of
  speakers that the networks do know, with words that no training heard.
- Losses: packets of 20 ms, lost in bursts of very different length, the same in every row.
- Scores: PLCMOS, an estimate by a network (1 to 5), ± half of a 95 % interval by Student's t over
  the recordings, which takes those of one speaker as independent.
- Base codec: {opus}. Rows without DRED: {plain}.
  Rows with DRED: {bitrate}.
- "Predictor": no payloads; our receiver speaks in every gap, continued by the shipped predictor.
- "DRED": payloads of our sender; the receiver holds the last features where no payload covers a
  gap. After a gap: {back}.

PLCMOS at each loss, and the distance from no loss:

"""
ORDER: Final = """
Paired differences, the same recording with the same losses. **Bold**: the interval is above zero;
*slanted*: below it.

"""
UNSEEN: Final = """
The same for the {unseen} recordings of unseen speakers alone:

"""
RATES: Final = """
What was sent at {rate} % expected loss, kb/s, means over the recordings:

"""


def measured(options: Sequence[str]) -> dict[str, Any]:
    """Run the command and return what it found; end the program if it failed."""
    command = [sys.executable, "-m", "toolkit.cli", "call", "--table", *options]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        done = subprocess.run([*command, "--json", str(found)], cwd=ROOT, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command[3:])} ended with {done.returncode}")
        facts: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
        return facts


def text(facts: dict[str, Any]) -> str:
    """Return what RESULTS.md says of a table."""
    recordings = facts["recordings"]
    groups = {group: of["recordings"] for group, of in facts["groups"].items()}
    languages = sorted({one["language"] for one in recordings})
    said = TEXT.format(
        recordings=len(recordings),
        speakers=len({one["speaker"] for one in recordings}),
        languages=len(languages),
        codes=", ".join(languages),
        seconds=sum(one["seconds"] for one in recordings),
        unseen=groups.get("unseen", 0),
        prompts=groups.get("prompts", 0),
        plain=_stream(facts, "lossless"),
        bitrate=_stream(facts, "dred"),
        back=facts["made"]["return after a gap"],
        opus=facts["made"]["base codec"],
    )
    said += "".join(_scores(facts)) + ORDER + "".join(_order(facts, facts["order"]))
    if "unseen" in facts["groups"]:
        said += UNSEEN.format(unseen=groups["unseen"])
        said += "".join(_order(facts, facts["groups"]["unseen"]["order"]))
    rate = facts["rates"][len(facts["rates"]) // 2]
    return said + RATES.format(rate=rate) + "".join(_bitrates(facts, str(rate)))


def _stream(facts: dict[str, Any], kind: str) -> str:
    """Return how the stream of a kind of conditions is made."""
    how = next(told["how"] for told in facts["conditions"].values() if told["kind"] == kind)
    return ",".join(how.split(",")[: 2 if kind == "dred" else 1])


def _heading(*cells: str) -> str:
    return row(*cells) + "|---" * len(cells) + "|\n"


def _scores(facts: dict[str, Any]) -> Iterator[str]:
    rates = list(map(str, facts["rates"]))
    yield _heading("", *(f"{r} %" for r in rates), *(f"{r} %, from no loss" for r in rates))
    for told in facts["conditions"].values():
        cells = [told["rates"][rate] for rate in rates]
        yield row(
            told["title"],
            *(f"{at['plcmos']:.2f} ± {at['half']:.2f}" for at in cells),
            *("" if told["kind"] == "lossless" else _apart(at["from_no_loss"]) for at in cells),
        )


def _order(facts: dict[str, Any], order: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield _heading("", *(f"{rate} %" for rate in facts["rates"]))
    titles = {key: told["title"] for key, told in facts["conditions"].items()}
    for pair in order:
        yield row(
            f"{titles[pair['higher']]} less {titles[pair['lower']]}",
            *(_marked(at) for at in pair["rates"].values()),
        )


def _bitrates(facts: dict[str, Any], rate: str) -> Iterator[str]:
    yield _heading("", "base codec", "LBRR", "DRED", "in all")
    seen = set()
    for told in facts["conditions"].values():
        of = told["rates"][rate]["bitrates"]
        cells = [f"{of[key] / 1000:.1f}" for key in ("base", "lbrr", "redundancy", "total")]
        kind = told["title"].split(",")[0]
        if (kind, *cells) not in seen:
            yield row(kind, *cells)
        seen.add((kind, *cells))


def _apart(of: dict[str, Any]) -> str:
    return f"{of['difference']:+.2f} ± {of['half']:.2f}"


def _marked(of: dict[str, Any]) -> str:
    """Return a difference, in bold or slanted if its interval is above or below zero."""
    mark = "**" if of["beyond"] else "*" if of["difference"] < -of["half"] else ""
    return f"{mark}{_apart(of)}{mark}"


def main(words: Sequence[str]) -> int:
    """Score, and write the tables into docs/RESULTS.md."""
    if len(words) == 2 and words[0] == "--from":
        facts = json.loads(Path(words[1]).read_text(encoding="utf-8"))
    else:
        facts = measured(words)
    results = ROOT / "docs" / "RESULTS.md"
    before, _, rest = results.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    results.write_text(f"{before}{BEGIN}\n{text(facts)}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
