# SPDX-License-Identifier: BSD-3-Clause
"""The untrained voice: C against numpy to the bit, garbage, and joins without a click.

Undefined behaviour in the C traps.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from quantize.errors import InputError
from quantize.features.floats import extract
from quantize.vocoder import pulse
from quantize.vocoder.join import join
from quantize.vocoder.pulse import Pulse
from tests.dsp.test_dsp_boards import COMMON, CORES, LINK
from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.vocoder_library import SHARED, garbage
from toolkit.common.paths import ROOT
from toolkit.device.build.vocoderlib import CHECKED, Speaker, VoiceLibrary
from toolkit.targets.sources import LIBRARY

Ints = np.ndarray[Any, np.dtype[np.int64]]


@pytest.fixture(scope="module")
def library() -> VoiceLibrary:
    return VoiceLibrary("pulse", CHECKED)


@pytest.fixture(scope="module")
def speech(clip: Path) -> tuple[Ints, Ints]:
    """Return PCM of the shipped clip and its features, Q10."""
    pcm = wavfile.read(clip)[1].astype(np.int64)
    features = extract(pcm.astype(np.int16), delay=0)
    return pcm, np.rint(features.astype(np.float64) * 1024).astype(np.int64)


def primed(library: VoiceLibrary, speech: tuple[Ints, Ints], t: int, frames: int) -> Speaker:
    """Return a voice that has run over the `frames` frames before t and speaks frame t next."""
    pcm, features = speech
    first = 160 * (t - frames) - 80
    speaker = library.speaker()
    speaker.begin(features[t - frames - 3 : t - frames + 1], pcm[first - 17 : first])
    known = pcm[first : first + 160 * frames].reshape(frames, 160)
    heard = speaker.frames(features[t - frames + 1 : t + 1], known)
    assert heard.tolist() == known.reshape(-1).tolist()
    return speaker


def spoken(library: VoiceLibrary, features: Ints) -> Ints:
    """Return speech from silence on; sample n belongs to sample n of the features' source."""
    told = np.concatenate([features[:1].repeat(3, 0), features, features[-1:]])
    speaker = library.speaker()
    speaker.begin(told[:4], np.zeros(17))
    return speaker.frames(told[4:])[80:].astype(np.int64)


def test_c_speaks_what_numpy_speaks(library: VoiceLibrary, speech: tuple[Ints, Ints]) -> None:
    pcm, features = speech
    voice = Pulse()
    for t in (60, 200, 330):
        first = 160 * (t - 3) - 80
        voice.begin(features[t - 6 : t - 2], pcm[first - 17 : first])
        known = pcm[first : first + 480].reshape(3, 160)
        want = [voice.frame(features[t - 2 + i], known[i]) for i in range(3)]
        want += [voice.frame(features[t + 1 + i]) for i in range(12)]
        got = primed(library, speech, t, 3).frames(features[t + 1 : t + 13])
        assert np.concatenate(want[:3]).tolist() == known.reshape(-1).tolist()
        assert got.tolist() == np.concatenate(want[3:]).tolist()


def test_garbage_overflows_nothing(library: VoiceLibrary) -> None:
    rng = np.random.default_rng(5)
    rows = garbage(rng, 4).astype(np.int64)
    rng.shuffle(rows)
    past = rng.choice([-32768, 32767], 17)
    square = np.where(np.arange(160) % 2, 32767, -32768)
    voice, speaker = Pulse(), library.speaker()
    voice.begin(rows[:4], past)
    speaker.begin(rows[:4], past)
    for i, row in enumerate(rows[4:]):
        known = square if i % 9 == 4 else None
        heard = None if known is None else known[None]
        assert speaker.frames(row[None], heard).tolist() == voice.frame(row, known).tolist()


def test_a_minute_of_garbage_in_c(library: VoiceLibrary) -> None:
    rng = np.random.default_rng(6)
    rows = garbage(rng, 500)
    rng.shuffle(rows)
    speaker = library.speaker()
    speaker.begin(rows[:4], rng.integers(-32768, 32768, 17))
    assert len(speaker.frames(rows[4:])) == 160 * (len(rows) - 4)


def test_it_speaks_the_bands_that_the_features_tell(
    library: VoiceLibrary, speech: tuple[Ints, Ints]
) -> None:
    pcm, features = speech
    told = spoken(library, features)
    again = np.rint(extract(told.astype(np.int16), delay=0) * 1024).astype(np.int64)
    loud = features[: len(again), 0] > 2048
    difference = (again - features[: len(again)])[loud] / 1024
    # One decade more in all bands adds sqrt(18) to c0.
    assert abs(difference[:, 0].mean()) < 0.2 * np.sqrt(18)
    assert difference[:, :6].std(axis=0).max() < 0.8
    power = [float((x[: len(told)].astype(np.float64) ** 2).mean()) for x in (told, pcm)]
    assert abs(10 * np.log10(power[0] / power[1])) < 1
    voiced = loud & (features[: len(again), 19] > 300)
    off = np.abs(again - features[: len(again)])[voiced, 18] / 1024
    assert (off < 0.1).mean() > 0.8


def test_joins_have_no_click(library: VoiceLibrary, speech: tuple[Ints, Ints]) -> None:
    pcm, features = speech
    joins, cuts = [], []
    for t in range(12, len(features) - 8, 7):
        after = primed(library, speech, t, 6).frames(features[t + 1 : t + 5])
        begun = library.speaker()
        begun.begin(features[t - 3 : t + 1], np.zeros(17))
        first = 160 * t - 80
        heard = pcm[first - 960 : first]
        joins.append(join(np.concatenate([heard, after]), 960))
        cut = begun.frames(features[t + 1 : t + 5])
        cuts.append(join(np.concatenate([heard, cut]), 960))
    assert all(found.smooth for found in joins)
    assert np.mean([found.smooth for found in cuts]) < 0.7  # the measure does detect clicks


def test_pulses_go_on_where_the_speech_had_them(
    library: VoiceLibrary, speech: tuple[Ints, Ints]
) -> None:
    """After a join the voice is in phase with the speech that it replaces."""
    pcm, features = speech
    steady = [
        t
        for t in range(20, len(features) - 8)
        if features[t - 4 : t + 4, 19].min() > 380 and np.ptp(features[t - 4 : t + 4, 18]) < 150
    ]
    assert len(steady) > 20
    alike = []
    for t in steady[::3]:
        after = primed(library, speech, t, 5).frames(features[t + 1 : t + 2])
        true = pcm[160 * t - 80 : 160 * t + 80]
        alike.append(np.corrcoef(after, true)[0, 1])
    assert np.median(alike) > 0.6


def test_join_measures_a_step() -> None:
    wave = np.rint(1000 * np.sin(np.arange(640) / 9)).astype(np.int64)
    assert join(wave, 320).smooth
    wave[320:] += 60
    found = join(wave, 320)
    assert not found.smooth
    assert found.at > 40 > found.around
    with pytest.raises(InputError, match="sample 100 of 640"):
        join(wave, 100)


def test_constants_of_the_header_are_those_of_the_model() -> None:
    header = (LIBRARY / "vocoder" / "pulse_tables.h").read_text()
    found = dict(re.findall(r"#define (DK_PULSE_\w+) (\S.*?)(?: *//.*)?$", header, re.MULTILINE))
    assert int(found["DK_PULSE_LEVELS"]) == pulse.LEVELS
    assert int(found["DK_PULSE_PHASES"]) == pulse.PHASES
    assert int(found["DK_PULSE_NOISE_LOG"]) == pulse.NOISE_LOG
    assert found["DK_PULSE_LOG"] == "(12 * (1 << 24))"
    assert pulse.PULSE_LOG == 12 << 24


def test_pulses_and_noise_share_the_power_of_each_frequency() -> None:
    for level in range(1, pulse.LEVELS):
        train = np.abs(np.fft.rfft(pulse.PULSES[level, 0] / 32768, 512)) ** 2
        noise = np.abs(np.fft.rfft(pulse.NOISES[level] / 16384, 512)) ** 2
        # Few taps blur the lowest cut-off.
        assert abs((train + noise)[8:240].mean() - 1) < 0.12, level
        assert (train + noise)[16:240].min() > 0.4, level


@pytest.mark.parametrize("machine", CORES)
def test_a_core_speaks_what_the_host_does(machine: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    here = ROOT / "tests" / "programs" / "dsp_board"
    sources = (*(LIBRARY / "vocoder" / f"pulse{part}.c" for part in ("", "_tables")), *SHARED)
    files = [str(here / "pulse.c"), *(str(path) for path in sources)]
    host, image = tmp_path / "host", tmp_path / "board.elf"
    subprocess.run(["gcc", "-O2", *COMMON, *files, "-o", str(host)], check=True)
    command = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *COMMON, *LINK]
    subprocess.run([*command, str(here / "start.c"), *files, "-o", str(image)], check=True)
    told = subprocess.run(
        ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel", str(image)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    want = subprocess.run([host], capture_output=True, text=True, check=True)
    assert told.stdout == want.stdout
    assert len(want.stdout.strip()) == 8


def test_speech_in_gaps_is_as_loud_as_what_it_replaces(
    library: VoiceLibrary, speech: tuple[Ints, Ints]
) -> None:
    """Without the correction of the pulses' mean it is louder by more than a decibel."""
    pcm, features = speech
    ratios, means = [], []
    for t in range(20, len(features) - 8, 3):
        if features[t - 2 : t + 5, 19].min() < 200 or features[t : t + 4, 0].min() < 4096:
            continue
        spoken = primed(library, speech, t, 1).frames(features[t + 1 : t + 5]).astype(np.float64)
        true = pcm[160 * t - 80 : 160 * t + 560].astype(np.float64)
        ratios.append(10 * np.log10((spoken**2).mean() / (true**2).mean()))
        means.append(spoken.mean() / np.sqrt((true**2).mean()))
    assert len(ratios) > 20
    assert abs(np.mean(ratios)) < 1.5
    assert np.sqrt(np.mean(np.square(means))) < 0.15
