# SPDX-License-Identifier: BSD-3-Clause
"""The speech that voices are scored on; packages and decoders are faked, so no internet."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.common.errors import ToolError
from toolkit.speech import recordings as speechdata
from toolkit.verify.scoring import utterances
from toolkit.verify.scoring.utterances import LEVEL, SOURCES_FILE, held_out, levelled

TABLE = utterances.tomllib.loads(SOURCES_FILE.read_text(encoding="utf-8"))


def test_twenty_utterances_of_speakers_that_nothing_is_trained_on() -> None:
    assert sum(row["utterances"] for row in TABLE.values()) == 20
    trained = {(s.package, s.speaker) for s in speechdata.sources() if s.use == "train"}
    for row in TABLE.values():
        assert row["licence"]
        assert row["attribution"]
        assert row["use"] == "score"
        assert (row["package"], row["speaker"]) not in trained
        assert row["package"] not in {package for package, _ in trained}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make every package hold clips as long as their names say, in tenths of a second."""
    lengths = [31, 12, 5, 40, 85, 200, 9, 22, 27, 33, 45, 52, 63, 71]
    names = [f"{i}-{n}" for i, n in enumerate(lengths * 12)]
    for source in [*speechdata.sources(), *(s for s, _ in utterances._unseen())]:
        folder = tmp_path / source.package / Path(source.files.partition("*")[0])
        folder = folder if "*" in source.files else folder.parent
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / Path(source.files).name.replace("*", name, 1)).touch()

    def decode(path: Path) -> np.ndarray:
        name = path.name.partition("_")[0].partition(".")[0]
        length = 1600 * (int(name.split("-")[1]) if name[0].isdigit() else 108)
        rng = np.random.default_rng(len(path.name))
        return rng.integers(-900, 900, length).astype(np.int16)

    monkeypatch.setattr(utterances, "fetch", lambda source, cache: cache / source.package)
    monkeypatch.setattr(utterances, "decode", decode)
    monkeypatch.setattr(utterances.features, "extract", _no_features)
    return tmp_path


def _no_features(pcm: np.ndarray, delay: int) -> np.ndarray:
    return np.zeros((len(pcm) // 160, 20), np.float32)


def test_thirty_utterances_of_three_to_eight_seconds_the_same_every_time(packages: Path) -> None:
    told: list[str] = []
    found = held_out(packages, told.append)
    assert [u.group for u in found] == ["unseen"] * 20 + ["prompts"] * 10
    assert len({u.name for u in found}) == 30
    assert len(told) == 11
    for u in found:
        assert 3 <= len(u.pcm) / 16000 <= 8
        assert len(u.pcm) == 160 * len(u.features)
        if u.group == "prompts":
            assert {speechdata.part_of(name) for name in u.files} == {"test"}
    again = held_out(packages, told.append)
    assert [u.files for u in again] == [u.files for u in found]
    assert all(np.array_equal(a.pcm, b.pcm) for a, b in zip(found, again, strict=True))


def test_a_package_with_too_little_in_it_is_one_line(packages: Path) -> None:
    for path in packages.rglob("*_desc_el.ogg"):
        path.unlink()
    with pytest.raises(ToolError, match=r"holds too little of .*_desc_el\.ogg: another version"):
        held_out(packages, str)


def test_every_utterance_is_as_loud_and_none_clips() -> None:
    rng = np.random.default_rng(1)
    quiet = rng.normal(0, 90, 16000).astype(np.int16)
    assert np.std(levelled(quiet) / 32768) == pytest.approx(LEVEL, rel=1e-2)
    clicks = quiet.copy()
    clicks[::4000] = 30000
    assert np.abs(levelled(clicks).astype(int)).max() <= 32767
    assert np.abs(levelled(clicks).astype(int)).max() > 32000 * 0.9
