# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit soak`: pace, deadline misses, wrong outputs, the page, energy; no time is proof."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.fixtures.clocks import Clock
from tests.support.stand_ins import stand_in_stage
from toolkit.cli import group
from toolkit.common.errors import CheckFailed, InputError
from toolkit.device.link.messages import StepResult
from toolkit.measure.budget import clock_of
from toolkit.measure.energy import Energy, read_energy
from toolkit.measure.soak import BINS, Feed, Run, run_soak, soak_facts
from toolkit.report.soak import soak_page, soak_verdict
from toolkit.targets.target import load_target

BOARD = "netduinoplus2"
STEP = 0.020


class Echo:
    """A session and an engine whose output is the input; a step takes `spans` of the clock."""

    def __init__(self, clock: Clock, spans: list[float], wrong: int = -1) -> None:
        self.clock = clock
        self.spans = spans
        self.wrong = wrong
        self.began: list[float] = []

    def open(self) -> None:
        pass

    def reset(self) -> None:
        pass

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""

    def run_steps(self, inputs: Iterable[bytes]) -> Iterator[StepResult]:
        for index, data in enumerate(inputs):
            self.began.append(self.clock.now)
            self.clock.now += self.spans[index % len(self.spans)]
            output = b"wrong" if index == self.wrong else data
            yield StepResult(index, 1000 + index, output, None)


def soak(echo: Echo, feed: Feed, count: int, paced: bool = True) -> Run:
    def sleep(seconds: float) -> None:
        echo.clock.now += seconds

    engine: Any = echo
    return run_soak(
        engine, engine, feed, count, paced=paced, clock=echo.clock, sleep=sleep
    )  # fmt: skip


def feed(frames: list[int]) -> Feed:
    return Feed(np.arange(2 * len(frames), dtype=np.int16).reshape(-1, 2), frames)


def test_frames_come_every_20_ms_again_and_again() -> None:
    echo = Echo(Clock(), [0.005])
    run = soak(echo, feed([0, 1, 2]), 7)
    assert echo.began == pytest.approx([STEP * n for n in range(7)])
    assert len(run.ticks) == 7
    assert (run.late, run.mismatches) == (0, 0)


def test_a_frame_of_several_steps_is_one_cost() -> None:
    echo = Echo(Clock(), [0.001])
    run = soak(echo, feed([0, 0, 1]), 4)
    assert run.ticks == [1000 + 1001, 1002, 1003 + 1004, 1005]
    assert echo.began == pytest.approx([0.0, 0.001, STEP, 2 * STEP, 2 * STEP + 0.001, 3 * STEP])


def test_late_answers_are_counted_and_time_is_caught_up() -> None:
    echo = Echo(Clock(), [0.001, 0.050, 0.001, 0.001, 0.001])
    run = soak(echo, feed([0, 1, 2, 3, 4]), 5)
    # Frame 1 ends at 70 ms, 30 ms late; frames 2 and 3 follow at once, frame 2 11 ms late.
    assert echo.began == pytest.approx([0.0, 0.020, 0.070, 0.071, 0.080])
    assert run.late == 2
    assert run.worst_late_s == pytest.approx(0.030)


def test_an_emulated_board_is_not_paced() -> None:
    echo = Echo(Clock(), [0.001])
    run = soak(echo, feed([0, 1]), 4, paced=False)
    assert echo.began == pytest.approx([0.0, 0.001, 0.002, 0.003])
    assert run.late == 0


def test_a_wrong_output_is_named() -> None:
    run = soak(Echo(Clock(), [0.001], wrong=3), feed([0, 1]), 6)
    assert (run.mismatches, run.first_mismatch) == (1, 3)


def facts_of(ticks: list[int], name: str = BOARD, paced: bool = False) -> dict[str, Any]:
    target = load_target(name)
    run = Run(ticks=ticks, seconds=1.0)
    facts = soak_facts(run, target, clock_of(target, None), paced=paced)
    more = {"target": name, "stage": "encoder", "recorded": "now", "audio": "a.wav", "link": {},
            "model_hash": "0", "build_id": None, "energy": None, "notes": []}  # fmt: skip
    return {**facts, **more}


def test_the_tail_and_the_misses() -> None:
    """At 168 MHz 20 ms are 3.36 million instructions."""
    facts = facts_of([1_680_000] * 998 + [3_360_000, 3_360_001])
    assert facts["ms"]["p50"] == facts["ms"]["p99"] == 10.0
    assert facts["ms"]["p99.9"] == 20.0
    assert facts["ms"]["worst"] == pytest.approx(20.000006)
    assert facts["misses"] == 1
    assert not facts["ok"]
    assert facts["worst_frames"][0] == {"frame": 999, "ms": facts["ms"]["worst"]}
    assert sum(facts["histogram"]["counts"]) == 1000
    assert len(facts["histogram"]["counts"]) == BINS == len(facts["histogram"]["edges_ms"]) - 1
    assert "not time: ms at one cycle an instruction and 168 MHz" in facts["label"]
    assert soak_verdict(facts) == "1 of 1,000 frames over their 20 ms"
    page = soak_page(facts)
    assert "1 of 1,000 frames over their 20 ms" in page
    assert 'class="over"' in page
    assert facts["label"] in page


def test_frames_that_all_cost_the_same_are_drawn() -> None:
    facts = facts_of([168_000] * 10)
    assert facts["ok"]
    assert facts["ms"]["first"] == facts["ms"]["worst"] == 1.0
    assert soak_page(facts).count("<rect") == 1


def test_time_in_qemu_user_is_not_judged() -> None:
    facts = facts_of([30_000_000] * 3, "linux-a53")
    assert facts["misses"] is None
    assert facts["ok"]
    assert "not judged" in facts["label"]


def saved(tmp_path: Path) -> Path:
    file = tmp_path / "model.dkq"
    stand_in_stage("rdovae_enc").networks[0].save(file)
    return file


@pytest.mark.parametrize("name", ["host", "linux-a53"])
def test_a_process_is_soaked_in_real_time_priority(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_root: Path
) -> None:
    monkeypatch.setattr("toolkit.commands.shared.verification.BUILD", build_root)
    words = [
        "--model",
        str(saved(tmp_path)),
        "--minutes",
        "0.01",
        "--output",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(group, ["soak", "--target", name, "--stage", "rdovae_enc", *words])
    facts = json.loads((tmp_path / "out" / "soak.json").read_text())
    assert facts["frames"] == 30
    assert facts["mismatches"] == 0
    assert not facts["paced"]
    assert (tmp_path / "out" / "index.html").read_text().startswith("<!DOCTYPE html>")
    if name == "linux-a53":
        assert done.exception is None
        (line,) = [line for line in facts["notes"] if "perf_event" in line]
        assert line.startswith("linux-a53 says: firmware: perf_event: no cycles: ")
        assert line in (tmp_path / "out" / "index.html").read_text()
        assert facts["misses"] is None
    else:  # on a busy machine a frame may well be late
        assert done.exception is None or isinstance(done.exception, CheckFailed)
        assert facts["label"].startswith("time by the clock on the wall")


TIMER = """
#include "posix.h"
static uint32_t count;
void dk_timer_init(void) {}
uint32_t dk_timer_now(void) { return count += 500u; }
bool dk_timer_counts_cycles(void) { return true; }
"""


def test_cycles_are_told_beside_the_clock_on_the_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_root: Path
) -> None:
    """A timer of 500 cycles a reading stands for perf_event, which few machines of CI have."""
    monkeypatch.setattr("toolkit.commands.shared.verification.BUILD", build_root)
    text = load_target("host").path.read_text(encoding="utf-8")
    assert text.count('driver = "clock_gettime"') == 1
    board = tmp_path / "mine.toml"
    board.write_text(text.replace('driver = "clock_gettime"', 'driver = "mine"'), encoding="utf-8")
    (tmp_path / "timer_mine.c").write_text(TIMER, encoding="utf-8")
    words = ["--model", str(saved(tmp_path)), "--minutes", "0.01", "--output", str(tmp_path / "o")]
    done = CliRunner().invoke(
        group, ["soak", "--target", str(board), "--stage", "rdovae_enc", *words]
    )
    assert done.exception is None or isinstance(done.exception, CheckFailed)  # late if busy
    facts = json.loads((tmp_path / "o" / "soak.json").read_text())
    line = "mine says: firmware: perf_event: a step took 500 cycles, at most 500"
    assert facts["notes"][-1] == line
    assert line in (tmp_path / "o" / "index.html").read_text()
    assert facts["label"].startswith("time by the clock on the wall")


def test_what_the_system_refuses_is_one_line(tmp_path: Path, build_root: Path) -> None:
    """A user without rights gets no SCHED_FIFO; the server says so and serves."""
    from toolkit.device.pipeline import prepare

    made = prepare(stand_in_stage("rdovae_enc"), load_target("host"), build_root)
    assert made.server is not None
    limited = (
        f"ulimit -r 0; ulimit -l 0; exec setpriv --bounding-set=-all --inh-caps=-all {made.server}"
    )
    command = f"{limited} --stdio --real-time"
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines == [
        "firmware: SCHED_FIFO: Operation not permitted",
        "firmware: memory that stays in RAM: Operation not permitted",
    ]


PPK2 = """Timestamp(ms),Current(uA),D0-D7
0,1000,00000000
1,1000,00000000
2,5000,10000000
3,5000,10000000
4,1000,00000000
5,9000,10000000
6,1000,00000000
7,9000,10000000
"""


def test_energy_between_the_edges_of_a_ppk2(tmp_path: Path) -> None:
    file = tmp_path / "ppk.csv"
    file.write_text(PPK2, encoding="utf-8")
    found = read_energy(file, 3.0).as_json("ppk.csv")
    # 5 mA at 3 V for 2 ms, then 9 mA for 1 ms; the last pulse has no end and does not count.
    assert found == {
        "file": "ppk.csv", "frames": 2, "mean_uj": 28.5, "worst_uj": 30.0, "busy_ms": 1.5,
        "idle_mw": 3.0,
    }  # fmt: skip


def test_energy_of_a_joulescope_has_its_own_voltage(tmp_path: Path) -> None:
    file = tmp_path / "js.csv"
    text = "#time,current,voltage,gpi[0]\n0.0,0.001,2,0\n0.001,0.01,2,1\n0.002,0.001,2,0\n"
    file.write_text(text, encoding="utf-8")
    found = read_energy(file, 3.3)
    assert found.joules.tolist() == pytest.approx([20e-6])
    assert found.idle_watts == pytest.approx(0.002)


def recording(steps: int) -> str:
    """Write a PPK2's file of so many steps of 1 ms; step n takes n + 1 mA."""
    rows = ["Timestamp(ms),Current(uA),D0-D7", "0,0,00000000"]
    for n in range(steps):
        rows += [f"{2 * n + 1},{1000 * (n + 1)},10000000", f"{2 * n + 2},0,00000000"]
    return "\n".join([*rows, f"{2 * steps + 1},0,00000000"]) + "\n"


@pytest.mark.parametrize("steps", [30, 29])
def test_energy_is_joined_frame_by_frame(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_root: Path
) -> None:
    monkeypatch.setattr("toolkit.commands.shared.verification.BUILD", build_root)
    file, out = tmp_path / "ppk.csv", tmp_path / "out"
    file.write_text(recording(steps), encoding="utf-8")
    words = ["--model", str(saved(tmp_path)), "--minutes", "0.01", "--output", str(out)]
    words += ["--energy", str(file), "--volts", "2", "--target", "linux-a53"]
    done = CliRunner().invoke(group, ["soak", "--stage", "rdovae_enc", *words])
    assert done.exception is None, done.output
    facts = json.loads((out / "soak.json").read_text())
    joined = facts["energy"]["joined"]
    page = (out / "index.html").read_text()
    if steps == 29:
        assert joined is None
        assert "the recording has 29 pulses and this run 30 steps" in facts["notes"][-1]
        assert facts["notes"][-1] in page
        return
    rows = [line.split(",") for line in (out / "frames.csv").read_text().splitlines()]
    assert rows[0] == ["frame", "ms", "uJ"]
    assert [(row[0], float(row[2])) for row in rows[1:]] == [
        (str(n), pytest.approx(2.0 * (n + 1)))
        for n in range(30)  # (n + 1) mA, 2 V, 1 ms
    ]
    assert joined["mean_uj"] == pytest.approx(31.0)
    assert [(one["frame"], one["uj"]) for one in joined["worst"]][:2] == [(29, 60.0), (28, 58.0)]
    assert "Most energy: frame 29 (60 µJ" in page


def test_a_frame_of_several_steps_has_the_energy_of_all() -> None:
    energy = Energy(np.array([1.0, 2.0, 4.0]), np.ones(3), 0.0)
    found = energy.by_frame([0, 0, 1])
    assert found is not None
    assert found.tolist() == [3.0, 4.0]
    assert energy.by_frame([0, 1]) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column of a time"),
        ("Timestamp(ms),Current(uA)\n0,1\n", r"no column of a logic input \(D0\)"),
        ("time,D0\n0,1\n", "no column of a current"),
        ("time,current,D0\n0,much,1\n", "line 2: not a row of numbers"),
        ("time,current,D0\n0\n", "line 2: not a row of numbers"),
        ("time,current,D0\n0,1,0\n1,1,0\n", "no whole pulse"),
        ("time,current,D0\n", "no whole pulse"),
    ],
)
def test_a_recording_that_is_none_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why) as caught:
        read_energy(file, 3.3)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
