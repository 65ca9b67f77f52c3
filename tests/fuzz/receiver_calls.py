# SPDX-License-Identifier: BSD-3-Clause
"""Random calls of dredkit/receiver.h: for the program receiver_calls.c, and for the definition.

`python -m tests.fuzz.receiver_calls --calls 100000` runs the program alone for longer, under the
address and undefined-behaviour sanitizers. The exit code is 1 if it found something.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_clock import CALL_MAX, ReceiverClock
from quantize.codec.receiver_model import ERR_ARGUMENT, DecoderModel
from quantize.errors import InputError, PayloadError
from tests.support.decoder_models import random_networks, random_payload
from tests.support.dred_native import WARNINGS
from toolkit.call.library import receiver_sources
from toolkit.common.paths import BUILD
from toolkit.targets.sources import PORTABLE_FLAG

SANITIZE: Final = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
INIT, TIME, PAYLOAD, GOOD, RECOVERED, LOST, WORK, EXPECT = range(8)
CONCEALED: Final = 16
EXPECT_AT: Final = 17
_CALL: Final = struct.Struct("<BBHI")
_FIRST: Final = (20, 15, 4)


@dataclass(frozen=True)
class Call:
    """A call: slots of 10 ms or bytes of a payload, the argument, and the bytes that go with it."""

    op: int
    count: int = 0
    argument: int = 0
    body: bytes = b""

    def packed(self) -> bytes:
        return _CALL.pack(self.op, 0, self.count, self.argument) + self.body


def random_calls(rng: np.random.Generator, count: int, rate: int) -> list[Call]:
    """Return calls: mostly sound ones, with times about the clock, and some of any values."""
    scale, slot = rate // 16000, rate // 100
    time = 0
    calls = [Call(GOOD, 1, body=bytes(2 * slot)), _init(*_FIRST)]
    sound = [random_payload(seed, chunks=int(rng.integers(0, 27))) for seed in range(12)]
    for _ in range(count):
        op = int(rng.choice(8, p=[0.005, 0.015, 0.35, 0.22, 0.08, 0.25, 0.05, 0.03]))
        slots = int(rng.choice([1, 2, 2, 2, 4, 6, 12, 0, 13]))
        if op == INIT:
            calls.append(_init(*(int(x) for x in rng.integers(0, 70, 3))))
            time = time if _refused(calls[-1]) else 0
        elif op == TIME:
            time = (time + scale * int(rng.choice([0, 37, -900, 4000, 20000, 1 << 28]))) % (1 << 32)
            calls.append(Call(TIME, argument=time))
        elif op == PAYLOAD:
            at = time + int(rng.choice([-3, 0, 1, 2, 3, 5, 40, 300, 9999])) * 2 * slot
            at = int(rng.integers(1 << 32)) if rng.random() < 0.05 else at + int(rng.integers(9))
            data = bytearray(sound[int(rng.integers(len(sound)))])
            for _ in range(int(rng.choice([0, 0, 1, 3]))):
                data[int(rng.integers(len(data)))] ^= int(rng.integers(256))
            if rng.random() < 0.1:
                data = bytearray(rng.bytes(int(rng.integers(0, 1200))))
            calls.append(Call(PAYLOAD, len(data), at % (1 << 32), bytes(data)))
        elif op == WORK:
            calls.append(Call(WORK, argument=int(rng.integers(0, 9))))
        elif op == EXPECT:
            at = (time + 40 * scale * int(rng.integers(-3, 40))) % (1 << 32)
            known = rng.random() < 0.7
            calls.append(Call(EXPECT_AT, argument=at) if known else Call(EXPECT))
        else:
            op = CONCEALED if op == LOST and rng.random() < 0.4 else op
            body = b"" if op == LOST else rng.integers(-32768, 32768, slots * slot, "<i2").tobytes()
            calls.append(Call(op, slots, body=body))
            time = (time + slot * slots) % (1 << 32) if 1 <= slots <= CALL_MAX else time
    return calls


def _init(*values: int) -> Call:
    return Call(INIT, argument=int.from_bytes(bytes([*values, 0]), "little"))


def _config(call: Call) -> ReceiverConfig:
    return ReceiverConfig(*call.argument.to_bytes(4, "little")[:3])


def _refused(call: Call) -> bool:
    try:
        _config(call)
    except InputError:
        return True
    return False


def answers(model: DecoderModel, calls: list[Call], rate: int) -> bytes:
    """Return what the program must write."""
    clock: ReceiverClock | None = None
    out = []
    for call in calls:
        if call.op == INIT:
            if not _refused(call):
                clock = ReceiverClock(model.receiver(_config(call), rate))
            out.append((ERR_ARGUMENT if _refused(call) else 0).to_bytes(4, "little", signed=True))
        elif clock is None:
            out.append(ERR_ARGUMENT.to_bytes(4, "little", signed=True))
        else:
            out.append(_answer(clock, call))
    return b"".join(out)


def _answer(clock: ReceiverClock, call: Call) -> bytes:
    status, pcm = 0, np.zeros(0, np.int64)
    try:
        if call.op == TIME:
            clock.set_time(call.argument)
        elif call.op == PAYLOAD:
            status = clock.payload(call.argument, call.body)
        elif call.op == WORK:
            status = clock.work(call.argument)
        elif call.op == EXPECT:
            clock.expect_loss()
        elif call.op == EXPECT_AT:
            clock.expect_loss_at(call.argument)
        elif call.op == LOST:
            pcm = clock.lost(call.count * clock.receiver.samples)
        else:
            good = np.frombuffer(call.body, "<i2").astype(np.int64)
            if call.op == CONCEALED:
                pcm = clock.concealed(good)
            else:
                pcm = clock.good(good, recovered=call.op == RECOVERED)
    except PayloadError as error:
        status = error.status
    except InputError:
        status = ERR_ARGUMENT
    return status.to_bytes(4, "little", signed=True) + pcm.astype("<i2").tobytes()


def build(model: DecoderModel, folder: Path, rate: int, batch: int = 1) -> Path:
    """Compile the program for this machine, with sanitizers."""
    files, includes = receiver_sources(model, folder, rate, batch)
    program = folder / "receiver_calls"
    command = ["gcc", *WARNINGS, "-O1", "-g", *SANITIZE, PORTABLE_FLAG, "-o", str(program)]
    command += [f"-I{path}" for path in includes]
    source = Path(__file__).with_suffix(".c")
    subprocess.run([*command, str(source), *map(str, files)], check=True)
    return program


def run(program: Path, calls: list[Call]) -> subprocess.CompletedProcess[bytes]:
    """Run the program on calls; its output has the answers."""
    told = b"".join(call.packed() for call in calls)
    return subprocess.run([str(program)], input=told, capture_output=True, check=False)


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Make random calls of a receiver.")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    folder = BUILD / "fuzz" / "receiver"
    folder.mkdir(parents=True, exist_ok=True)
    program = build(DecoderModel(random_networks(), "pulse"), folder, 48000)
    rng = np.random.default_rng(asked.seed)
    for _ in range(0, asked.calls, 2000):
        done = run(program, random_calls(rng, 2000, 48000))
        if done.returncode:
            print(done.stderr.decode(errors="replace")[-3000:], file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
