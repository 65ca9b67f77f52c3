# SPDX-License-Identifier: BSD-3-Clause
"""A verification made without a board, and the same with faults, for tests of the report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from quantize import integer
from tests.support.small_models import small_model
from toolkit.codegen.generate import describe
from toolkit.device.build.build import BuildResult
from toolkit.measure.budget import budget_of
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target
from toolkit.verify.compare import compare
from toolkit.verify.verify import Verification

STEPS = 25
SAMPLES = 320 * STEPS


def verification(clip: Path, folder: Path) -> Verification:
    """Return a verification on the M55 board, over half a second of the clip, without a fault."""
    model = small_model()
    target = load_target("mps3-an547")
    pcm, rate = soundfile.read(clip, dtype="int16")
    audio = folder / "speech.wav"
    soundfile.write(audio, pcm[:SAMPLES], rate)
    noise = np.random.default_rng(3).normal(0.0, 1.0, (STEPS, 12))
    inputs = integer.to_fixed(noise, model.frac["features"]).astype(np.int16)
    stage = stage_of(model)
    want = stage.reference(inputs)
    layers = [name for name, _ in stage.layers]
    return Verification(
        target=target,
        stage=stage,
        manifest=describe(stage, target),
        build=BuildResult(
            elf=Path("firmware.elf"),
            build_id="9b74c9897bac770ffc029102a200c5de12345678",
            flash=331_000,
            flash_limit=target.size_of("flash"),
            ram=31_000,
            ram_limit=target.size_of("ram"),
            stack_worst=1304,
            stack=target.stack_bytes,
            sections={".text": 14_332, ".rodata": 316_000},
        ),
        audio=audio,
        inputs=inputs,
        outputs=want.outputs,
        comparisons={
            "host C": compare("host C", layers, want.layers, want.layers),
            target.name: compare(target.name, list(want.outputs), want.outputs, want.outputs),
        },
        budget=budget_of(target, [round(32.768 * (265_000 + 7 * i)) for i in range(STEPS)]),
        stack_used=1048,
        link={"sent": 472, "resent": 0, "seconds": 13.421},
    )


def mismatching(good: Verification) -> Verification:
    """Return the same, but two values of the board are wrong, the first in gru2 at step 17."""
    want = good.stage.reference(good.inputs).layers
    got = {name: values.copy() for name, values in want.items()}
    got["gru2"][17, 3] ^= 1
    got["out"][19, 0] ^= 1
    name = good.target.name
    layers = [layer for layer, _ in good.stage.layers]
    return replace(good, comparisons={**good.comparisons, name: compare(name, layers, got, want)})


def over_budget(good: Verification) -> Verification:
    costs = [*good.budget.per_frame[:-2], 640_001, 700_000]
    return replace(good, budget=replace(good.budget, per_frame=costs))
