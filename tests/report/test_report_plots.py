# SPDX-License-Identifier: BSD-3-Clause
"""The pictures show each value at its place and time."""

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from toolkit.report.plots import COLUMNS, cost_bars, heat_map, spectrogram, time_ticks
from toolkit.report.png import gradient, png


def decoded(data: bytes) -> tuple[np.ndarray[Any, Any], int]:
    """Return a palette PNG's pixels and the number of its colours; check every checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    assert len(chunks[b"tRNS"]) * 3 == len(chunks[b"PLTE"])
    return rows[:, 1:], len(chunks[b"tRNS"])


def pixels(address: str) -> np.ndarray[Any, Any]:
    return decoded(base64.b64decode(address.removeprefix("data:image/png;base64,")))[0]


def test_a_png_holds_its_pixels() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found, colours = decoded(png(picture, gradient(["000000", "ffffff80"], 12)))
    assert np.array_equal(found, picture)
    assert colours == 12


def test_a_gradient_runs_between_its_anchors() -> None:
    colours = gradient(["000000", "ff8000", "ffffff00"], 5)
    assert colours[[0, 2, 4]].tolist() == [[0, 0, 0, 255], [255, 128, 0, 255], [255, 255, 255, 0]]
    assert colours[1].tolist() == [128, 64, 0, 255]


def test_a_spectrogram_shows_a_tone_where_and_when_it_sounds() -> None:
    time = np.arange(16000) / 16000
    tone = np.where(time >= 0.5, 10000 * np.sin(2 * np.pi * 2000 * time), 0).astype(np.int16)
    picture = spectrogram(tone, 16000, seconds=2.0)
    assert picture.width == 50
    shades = pixels(picture.light)
    assert shades.shape == (256, 100)  # 10 ms a column, 31.25 Hz a row, high frequencies on top
    assert shades[:, :48].max() == 0
    assert np.abs(255 - shades[:, 60:90].argmax(axis=0) - 2000 / 31.25).max() <= 1


def test_a_heat_map_has_the_first_element_on_top_and_zero_in_the_middle() -> None:
    values = np.zeros((4, 3))
    values[1, 0], values[2, 2], values[3, 1] = 5.0, -5.0, 1.25
    picture, full = heat_map(values, 100)
    shades = pixels(picture.light)
    assert shades.shape == (3, 4)
    assert full == pytest.approx(5.0)
    assert (shades[0, 1], shades[2, 2], shades[1, 0]) == (126, 0, 63)
    assert shades[1, 3] == round(63 + 63 * 0.5)  # a quarter of full scale is half a shade


def test_long_runs_are_drawn_no_wider_and_keep_their_costliest_frame() -> None:
    costs = [10] * 20_000
    costs[12_345] = 99
    bars = cost_bars(costs, 50, top=100, width=100)
    assert len(bars) == COLUMNS
    over = [bar for bar in bars if bar.over]
    assert len(over) == 1
    assert over[0].first <= 12_345 <= over[0].last
    assert sum(bar.width for bar in bars) == pytest.approx(100)
    assert pixels(heat_map(np.ones((20_000, 2)), 100)[0].light).shape == (2, COLUMNS)
    assert pixels(spectrogram(np.ones(5_000_000, np.int16), 16000, 313).light).shape[1] == COLUMNS


@pytest.mark.parametrize("seconds", [0.02, 0.5, 4.6, 59, 3600, 100_000])
def test_time_ticks_are_few_and_within_the_plot(seconds: float) -> None:
    ticks = time_ticks(seconds)
    assert 2 <= len(ticks) <= 11
    assert ticks[0].label == "0"
    assert all(0 <= tick.at <= 100 + 1e-9 for tick in ticks)
