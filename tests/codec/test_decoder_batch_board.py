# SPDX-License-Identifier: BSD-3-Clause
"""A receiver on an emulated board decodes chunks one after the other and several at once.

The speech is the same, every layer equals the reference, and several at once take fewer
instructions a chunk.
"""

from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import Chunk, DecoderModel, Hear, Speak, Take
from tests.support.boards import verified
from tests.support.decoder_models import random_networks, random_payload
from toolkit.device.pipeline import connected, prepare
from toolkit.stages.gaps import Op
from toolkit.stages.receiver import DecoderStage, rows_of
from toolkit.stages.stage import Int16s
from toolkit.targets.target import load_target

CHUNKS = 7  # neither two nor four divides it
BOARD = "mps3-an547"


def ops(batch: int) -> list[Op]:
    rng = np.random.default_rng(1)
    good: list[Op] = [Hear(rng.integers(-8000, 8001, STEP)) for _ in range(2)]
    take = Take(5 * STEP, random_payload(4, chunks=CHUNKS))
    chunks = [Chunk(min(batch, CHUNKS - first)) for first in range(0, CHUNKS, batch)]
    return [*good, take, *chunks, *[Speak()] * 5, *good]


def test_a_board_decodes_several_chunks_at_once(target_name: str | None, build_root: Path) -> None:
    if target_name not in (None, BOARD):
        pytest.skip(f"--target {target_name} asked for")
    model = DecoderModel(random_networks(), "pulse")
    played: list[Int16s] = []
    a_chunk: list[float] = []
    for batch in (1, 2, 4):
        stage = DecoderStage(model, batch=batch)
        prepared = prepare(stage, load_target(BOARD), build_root)
        with connected(prepared, port=None, serial="socket") as session:
            found = verified(session, prepared, rows_of(ops(batch)), trace=True)
        assert found.mismatches == 0, found.comparisons
        assert found.playback is not None
        played.append(found.playback.pcm)
        facts = found.as_json()["ops"]
        name = "chunk" if batch == 1 else f"{batch} chunks"
        assert facts[name]["steps"] == CHUNKS // batch
        a_chunk.append(facts[name]["max"] / batch)
    assert played[0].tolist() == played[1].tolist() == played[2].tolist()
    # Batches read weights less often. Of instructions, four chunks at once take fewer, two do not.
    assert a_chunk[2] < a_chunk[0]
