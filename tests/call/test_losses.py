# SPDX-License-Identifier: BSD-3-Clause
"""Loss patterns: shares, bursts, channels and files."""

from itertools import groupby
from pathlib import Path

import pytest

from toolkit.call.losses import LOSS_MAX, bursty, gilbert, read_pattern, spread
from toolkit.common.errors import InputError


def runs(flags: list[bool], of: bool = True) -> list[int]:
    """Return the lengths of the runs of one flag."""
    return [len(list(group)) for flag, group in groupby(flags) if flag == of]


@pytest.mark.parametrize("percent", [1, 5, 10, 20, 30, 40, 65, LOSS_MAX])
def test_bursts_lose_the_share_that_is_asked_for(percent: int) -> None:
    lost = bursty(20_000, percent, 3)
    assert 100 * sum(lost) / len(lost) == pytest.approx(percent, rel=0.05)
    assert lost == bursty(20_000, percent, 3)
    assert lost != bursty(20_000, percent, 4)


def test_nothing_or_too_much() -> None:
    assert bursty(5, 0, 0) == [False] * 5
    with pytest.raises(InputError, match="want 0 to 90"):
        bursty(5, 91, 0)


def test_bursts_are_as_long_as_on_real_networks_and_those_of_a_channel_are_not() -> None:
    """The fitted mixtures: 13 to 16 % of lost packets lie in bursts of ten or more."""
    lost = bursty(100_000, 20, 1)
    lengths = runs(lost)
    assert sum(lengths) / len(lengths) == pytest.approx(0.9 * 1.4 + 0.1 * 6.2, rel=0.05)
    assert 0.11 < sum(n for n in lengths if n >= 10) / sum(lost) < 0.18
    other = gilbert(100_000, 0.132, 1 / 1.88, 1)
    assert sum(other) / len(other) == pytest.approx(0.2, rel=0.05)
    assert sum(n for n in runs(other) if n >= 10) / sum(other) < 0.02


def test_a_channel_has_bursts_and_gaps_of_the_means_it_is_told() -> None:
    lost = gilbert(50_000, 0.1, 0.5, 2)
    bursts, gaps = runs(lost), runs(lost, of=False)
    assert sum(bursts) / len(bursts) == pytest.approx(2, rel=0.05)
    assert sum(gaps) / len(gaps) == pytest.approx(10, rel=0.05)
    assert gilbert(6, 1.0, 1.0, 0) == [True, False] * 3


def test_a_pattern_is_read_and_packets_after_its_end_arrive(tmp_path: Path) -> None:
    file = tmp_path / "x.loss"
    file.write_text("01 1\n0\n")
    assert read_pattern(file) == [False, True, True, False]
    assert spread(read_pattern(file), 2) == [False, True]
    assert spread(read_pattern(file), 6) == [False, True, True, False, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty|no flags"), (" \n", "no flags"), ("012", "flag 2 is neither"), ("ÿ", "flag 0")],
)
def test_other_files_are_no_patterns(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.loss"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_pattern(file)
