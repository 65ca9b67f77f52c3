# SPDX-License-Identifier: BSD-3-Clause
"""The page tells the findings, needs no other file, and can be made again from its files."""

import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from tests.report.test_report_checks import printed
from tests.support.verifications import (
    SAMPLES,
    STEPS,
    mismatching,
    over_budget,
    verification,
)
from toolkit import cli
from toolkit.measure.budget import Budget
from toolkit.report import write_verification
from toolkit.report.page import render
from toolkit.report.record import Record, load_record, save_record
from toolkit.stages.stage import NetworkStage
from toolkit.targets.target import load_target
from toolkit.verify.verify import Verification


@pytest.fixture(scope="module")
def good(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Verification:
    return verification(clip, tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def record(good: Verification, tmp_path_factory: pytest.TempPathFactory) -> Record:
    return save_record(good, tmp_path_factory.mktemp("record"))


def page_of(verification: Verification, folder: Path) -> str:
    return render(save_record(verification, folder))


class Elements(HTMLParser):
    """Collects a page's elements with their attributes, and the text that it shows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self.lasttag != "style":
            self.text += data

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def test_the_page_says_what_was_found(record: Record, good: Verification) -> None:
    page = Elements(render(record))
    text = " ".join(page.text.split())
    values = STEPS * 69
    for fact in (
        "✓ Bit-exact and within budget",
        f"0 mismatches of {values + STEPS * 13:,} values",
        f"integer.py = host C all {values:,} values equal",
        f"integer.py ↔ mps3-an547 every output, every step {STEPS * 13:,} 0",
        "the most expensive of 25 takes 265,168 of 640,000 instructions (41.4 %)",
        "instruction count",
        "one cycle per instruction",
        "20 ms at 32 MHz",
        "331,000 B (323 KiB) of 2,621,440 B",
        "1,304 B at worst of 16,384 B (16 KiB); 1,048 B seen",
        "int8 + int8 8x4 sparse",
        good.stage.hash,
        "random 1",
        "9b74c9897bac770ffc029102a200c5de12345678",
        "MAINCLK of FPGA image AN547",
        "qemu-system-arm -M mps3-an547 -icount shift=10",
        "speech.wav",
        "13.421",
    ):
        assert fact in text
    for layer in good.stage.networks[0].graph.nodes:
        assert layer.name in text
    alts = [attributes["alt"] for tag, attributes in page.elements if tag == "img"]
    assert alts == ["Spectrogram of the recording", "Latents over time", "side over time"]
    assert page.tags().count("rect") == STEPS
    assert "✗" not in text


@pytest.mark.parametrize(
    ("core", "rows"),
    [
        # (638,455 + 108,652) instructions, and with complexity 5, of 3,360,000 in 20 ms
        ("cortex-m4", ["complexity 0, on average 4.45 22.2 %", "complexity 5, on average 12.66 6"]),
        ("cortex-a53", ["codec: not measured on this core – – – –"]),
    ],
)
def test_the_codec_stands_beside_sender_and_receiver(
    record: Record, core: str, rows: list[str]
) -> None:
    sender = {
        "ok": True, "verdict": "ok", "page": "sender/index.html", "flash": 1000, "ram": 100,
        "max": 336_000, "limit": 3_360_000, "unit": "instructions",
    }  # fmt: skip
    budget = {**record.facts["budget"], "limit": 3_360_000}
    board = {**record.facts["board"], "core": core}
    memory = {**record.facts["memory"], "flash": 2000, "ram": 200}
    facts = {"sender": sender, "budget": budget, "board": board, "memory": memory}
    shown = Elements(render(replace(record, facts={**record.facts, **facts}))).text
    text = " ".join(shown.split())
    assert "Sender, receiver and codec together" in text
    assert "sender 2.00 10.0 %" in text
    for row in rows:
        assert row in text
    assert ("libopus 1.3.1" in text) == (core == "cortex-m4")
    assert ("169,174" in text) == (core == "cortex-m4")


def test_the_page_needs_nothing_but_itself(record: Record) -> None:
    page = render(record)
    assert len(page) < 1_500_000
    assert not re.search(r"https?:|@import|url\(|<script|<link|<iframe", page)
    held = Elements(page)
    addresses = [
        value
        for _, attributes in held.elements
        for key, value in attributes.items()
        if key in ("src", "srcset", "href", "poster", "data", "action")
    ]
    assert len(addresses) >= 5
    assert all(address and address.startswith("data:") for address in addresses)
    policies = [
        attributes.get("content") or "" for tag, attributes in held.elements if tag == "meta"
    ]
    assert any("default-src 'none'" in policy for policy in policies)


def test_a_page_of_the_same_files_is_the_same(
    good: Verification, record: Record, tmp_path: Path
) -> None:
    saved = save_record(good, tmp_path)
    assert render(load_record(tmp_path)) == render(saved)


def test_hostile_names_stay_text(good: Verification, record: Record, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'{{ 7*7 }}[red].wav"
    shutil.copy(good.audio, tmp_path / name)
    evil = "</style></svg><script>alert(2)</script>"
    hostile = replace(
        good,
        audio=tmp_path / name,
        stage=NetworkStage(replace(good.stage.networks[0], source={"name": evil, evil: "x"})),
        target=replace(good.target, description=evil, clock_source=evil),
        link={evil: evil},
        comparisons={evil: good.comparisons["host C"]},
    )
    found = write_verification(hostile, tmp_path / "out")
    page = Elements((tmp_path / "out" / "index.html").read_text())
    plain = Elements(render(record))
    assert set(page.tags()) == set(plain.tags())
    assert page.tags().count("img") == plain.tags().count("img")
    assert not [1 for _, attributes in page.elements if "onerror" in attributes]
    assert name in page.text
    assert page.text.count(evil) >= 6
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    values = [p.get("value") for p in suite.iter("property") if p.get("name") == "audio"]
    assert values == [name]
    assert "[red].wav" in printed(found.facts)


def test_names_that_no_xml_can_hold_are_shown_without_those_characters(
    good: Verification, tmp_path: Path
) -> None:
    name = os.fsdecode(b"bell\x07latin\xe9.wav")
    shutil.copy(good.audio, tmp_path / name)
    write_verification(replace(good, audio=tmp_path / name), tmp_path / "out")
    shown = "bell\ufffdlatin\ufffd.wav"
    assert shown in (tmp_path / "out" / "index.html").read_text()
    assert shown in (tmp_path / "out" / "junit.xml").read_text()
    assert load_record(tmp_path / "out").facts["audio"] == name


def test_a_mismatch_makes_the_page_red_and_is_named(good: Verification, tmp_path: Path) -> None:
    page = Elements(page_of(mismatching(good), tmp_path))
    text = " ".join(page.text.split())
    assert "✗ Not bit-exact" in text
    got = int(good.stage.reference(good.inputs).layers["gru2"][17, 3])
    where = f"layer gru2, step 17, element 3: got {got ^ 1}, want {got}"
    assert f"2 of {STEPS * 69:,} values differ; first: {where}" in text
    assert f"First mismatch of mps3-an547, at 0.34 s: {where}" in text
    sections = [a.get("class") for tag, a in page.elements if tag == "section"]
    assert sections[0] == "verdict bad"
    marks = [a for tag, a in page.elements if tag == "i" and a.get("class") == "wrong"]
    assert {mark["style"] for mark in marks} == {"left:70.0%"}  # the middle of step 17 of 25


def test_frames_over_the_limit_are_counted_and_marked(good: Verification, tmp_path: Path) -> None:
    page = Elements(page_of(over_budget(good), tmp_path))
    assert "✗ Over budget" in page.text
    assert "2 of 25 exceed it; the most expensive, frame 24, takes 700,000 of 640,000" in page.text
    assert [a.get("class") for tag, a in page.elements if tag == "rect"].count("over") == 2


def test_a_host_run_speaks_of_time_and_of_no_memory(good: Verification, tmp_path: Path) -> None:
    host = replace(
        good,
        target=load_target("host"),
        build=None,
        stack_used=0,
        budget=Budget("nanoseconds", [90_000] * STEPS, 20_000_000, False, 1_000_000_000),
    )
    text = Elements(page_of(host, tmp_path)).text
    assert "✓ Bit-exact and within budget" in text
    assert "the 20 ms that a frame lasts" in text
    assert "instruction count" not in text
    assert "Flash" not in text


def test_a_recording_of_silence_has_a_page(good: Verification, tmp_path: Path) -> None:
    audio = tmp_path / "silence.wav"
    soundfile.write(audio, np.zeros(SAMPLES, np.int16), 16000)
    outputs = {name: np.zeros_like(values) for name, values in good.outputs.items()}
    page = page_of(replace(good, audio=audio, outputs=outputs), tmp_path)
    assert "Bit-exact and within budget" in page


def dredkit(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr("sys.argv", ["dredkit", *words])
    try:
        cli.main()
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_the_command_makes_page_and_junit_again(
    good: Verification,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_verification(mismatching(good), tmp_path)
    page = (tmp_path / "index.html").read_bytes()
    xml = (tmp_path / "junit.xml").read_bytes()
    (tmp_path / "index.html").unlink()
    (tmp_path / "junit.xml").unlink()
    words = ("--output", str(tmp_path / "page.html"), "--junit", str(tmp_path / "x.xml"))
    assert dredkit(monkeypatch, "report", str(tmp_path)) == 0
    assert (tmp_path / "index.html").read_bytes() == page
    assert (tmp_path / "junit.xml").read_bytes() == xml
    assert dredkit(monkeypatch, "report", str(tmp_path), *words, "--json", "-") == 0
    assert (tmp_path / "page.html").read_bytes() == page
    assert (tmp_path / "x.xml").read_bytes() == xml
    told = capfd.readouterr()
    assert json.loads(told.out)["mismatches"] == 2
    assert "Not bit-exact" in told.err


def test_the_command_refuses_a_folder_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dredkit(monkeypatch, "report", str(tmp_path / "nowhere")) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "no verify.json here; run `dredkit verify` first" in lines[0]
    assert list(tmp_path.iterdir()) == []
