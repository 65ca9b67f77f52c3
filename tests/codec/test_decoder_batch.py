# SPDX-License-Identifier: BSD-3-Clause
"""Chunks decoded at once give the same features as one after the other, and read fewer weights."""

import subprocess
from pathlib import Path

import cffi
import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import DecoderNetworks, Redundancy
from quantize.errors import InputError
from quantize.nn.batch import check_batch
from quantize.nn.run import run_integer
from quantize.nn.topologies import pitch, rdovae_decoder, rdovae_encoder
from tests.support.decoder_models import random_networks, random_payload
from tests.support.redundancy_native import WARNINGS, NativeRedundancy
from tests.support.small_models import gated_graph, small_model
from toolkit.codegen.generate import describe
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.reads import CHUNKS_A_SECOND, layer_reads, passes
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import weight_header, weight_tables
from toolkit.codegen.packing.pack import pack, pack_network
from toolkit.device.build.declarations import prototypes
from toolkit.stages.receiver import DecoderStage
from toolkit.stages.stage import stage_of
from toolkit.targets.sources import LIBRARY, PORTABLE_FLAG, room
from toolkit.targets.target import load_target


@pytest.fixture(scope="module")
def networks() -> DecoderNetworks:
    return random_networks(3)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_the_firmware_equals_one_step_after_the_other(
    networks: DecoderNetworks, batch: int, tmp_path: Path
) -> None:
    """Every layer of every chunk is equal, for counts that the batch size divides and others."""
    native = NativeRedundancy(networks, tmp_path, batch)
    redundancy = Redundancy(networks)
    for seed, chunks in enumerate((1, 3, 4, 7, 26)):
        data = random_payload(seed, chunks=chunks)
        assert redundancy.begin(data) == native.begin(data) == chunks
        left = chunks
        while left > 0:
            got = native.chunk(batch)  # may be more than are left
            assert not isinstance(got, int)
            assert len(got) == 4 * min(batch, left)
            for found, layers in zip(got.reshape(-1, 4, 20), native.each, strict=True):
                assert found.tolist() == redundancy.chunk().tolist()
                for name, values in redundancy.layers.items():
                    assert layers[name].tolist() == values.tolist(), name
            left -= len(native.each)
        assert native.chunk(batch) == -5
        assert native.chunk(0) == native.chunk(batch + 1) == -1


def test_only_scratch_grows(networks: DecoderNetworks) -> None:
    arenas = [plan(networks.step, batch) for batch in (1, 2, 3, 4)]
    assert len({arena.kept_bytes for arena in arenas}) == 1
    grown = np.diff([arena.scratch_bytes for arena in arenas])
    assert len(set(grown[1:])) == 1
    assert 0 < grown[1] <= arenas[0].scratch_bytes
    assert plan(networks.step).scratch_bytes == arenas[0].scratch_bytes


@pytest.mark.parametrize("isa", ["c", "simd32", "mve", "dotprod"])
def test_what_is_read_is_counted(networks: DecoderNetworks, isa: str) -> None:
    """Recurrent and int16 products read their weights at every step, the others once a pass."""
    step = pack_network(networks.step, isa)
    for batch in (1, 2, 3, 4):
        wait = sum(
            m.bytes
            for name, m in step.matrices.items()
            if m.matrix.is_wide or name.endswith("_recurrent")
        )
        rest = sum(
            m.bytes * passes(m, batch)
            for name, m in step.matrices.items()
            if not m.matrix.is_wide and not name.endswith("_recurrent")
        )
        assert sum(layer.bytes for layer in layer_reads(step, batch)) == batch * wait + rest
    matrices = networks.step.matrices
    output, gru = matrices["dec_output"], matrices["dec_gru5_input"]
    assert [passes(pack(output, "c"), steps) for steps in (4, 5)] == [1, 2]
    assert passes(pack(matrices["dec_dense1"], "c"), 4) == 4
    of_four = {"c": 1, "neon": 1, "dotprod": 1, "simd32": 2, "mve": 1}
    assert {i: passes(pack(gru, i), 4) for i in of_four} == of_four
    of_three = {"c": 1, "neon": 1, "dotprod": 1, "simd32": 2, "mve": 2}
    assert {i: passes(pack(gru, i), 3) for i in of_three} == of_three


def test_the_manifest_tells_what_a_batch_saves(networks: DecoderNetworks) -> None:
    model = DecoderModel(networks, "pulse")
    host = load_target("host")
    one, four = (describe(DecoderStage(model, batch=batch), host) for batch in (1, 4))
    whole = sum(m.bytes for m in pack_network(networks.step, "c").matrices.values())
    reads = four["weight_reads"]
    assert one["weight_reads"]["bytes_per_second"] == CHUNKS_A_SECOND * whole
    assert reads["bytes_per_second_one_by_one"] == CHUNKS_A_SECOND * whole
    assert reads["bytes_per_second"] < 0.4 * reads["bytes_per_second_one_by_one"]
    assert [choice["batch"] for choice in reads["choices"]] == [1, 2, 3, 4]
    by_layer = sum(layer["bytes_per_second"] for layer in reads["layers"])
    assert by_layer == pytest.approx(reads["bytes_per_second"], abs=1)
    assert four["arena_bytes"] - one["arena_bytes"] == (
        reads["choices"][3]["scratch_bytes"] - reads["choices"][0]["scratch_bytes"]
    )
    assert one["state_bytes"] == four["state_bytes"]
    assert [entry["name"] for entry in four["trace"]][-1] == "chunk3.dec_output"


def test_what_cannot_run_at_once_is_refused(networks: DecoderNetworks) -> None:
    with pytest.raises(InputError, match="--batch 2: only a receiver decodes chunks"):
        stage_of(networks.step, batch=2)
    for batch in (0, 5):
        with pytest.raises(InputError, match=r"--batch \d: want 1..4"):
            DecoderStage(DecoderModel(networks, "pulse"), batch=batch)
    with pytest.raises(InputError, match="conv2d_1 takes one step at a time"):
        check_batch(pitch(), 2)
    check_batch(pitch(), 1)
    check_batch(rdovae_encoder(), 4)
    check_batch(rdovae_decoder(), 4)
    with pytest.raises(InputError, match="again takes one step at a time"):
        check_batch(gated_graph(), 2)  # it writes a part of an int16 buffer


def test_other_networks_run_several_steps_alike(tmp_path: Path) -> None:
    """The network has GRUs into int8 buffers, a convolution over four steps, two outputs."""
    model = small_model(seed=5)
    graph = model.graph
    files = {
        "small_weights.h": weight_header(model),
        "small_weights.c": weight_tables(pack_network(model, "c")),
        "small.h": step_header(model, plan(model, 4)),
        "small.c": step_source(model, 4),
        "shim.c": '#include "small.h"\nstatic dk_small self; static dk_small_scratch work;\n'
        "void run(size_t steps, const int16_t *x, int16_t *a, int16_t *b, uint8_t *trace)\n"
        "{ dk_small_steps(&dk_small_linked, &self, &work, steps, x, a, b, trace); }\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sources = [*tmp_path.glob("*.c"), *room("nn")]
    flags = [*WARNINGS, "-O1", "-shared", "-fPIC", "-fsanitize=undefined", f"-I{tmp_path}"]
    flags += ["-fsanitize-undefined-trap-on-error", f"-I{LIBRARY}", PORTABLE_FLAG]
    library = tmp_path / "small.so"
    subprocess.run(["gcc", *flags, "-o", str(library), *map(str, sources)], check=True)
    ffi = cffi.FFI()
    ffi.cdef(prototypes(files["shim.c"]))
    native = ffi.dlopen(str(library))
    inputs = np.random.default_rng(2).integers(-32768, 32768, (13, 12))
    want = run_integer(model, inputs)
    sizes = [node.output.size for node in graph.nodes]
    done = 0
    for steps in (4, 1, 3, 2, 3):
        trace = ffi.new("int16_t[]", steps * sum(sizes))
        a, b = ffi.new("int16_t[]", 5 * steps), ffi.new("int16_t[]", 8 * steps)
        x = ffi.new("int16_t[]", inputs[done : done + steps].reshape(-1).tolist())
        native.run(steps, x, a, b, ffi.cast("uint8_t *", trace))
        span = slice(done, done + steps)
        layers = np.split(np.array(list(trace)).reshape(steps, -1), np.cumsum(sizes)[:-1], axis=1)
        for node, found in zip(graph.nodes, layers, strict=True):
            assert found.tolist() == want[node.name][span].tolist(), node.name
        assert list(a) == want["out"][span].reshape(-1).tolist()
        assert list(b) == want["aside"][span].reshape(-1).tolist()
        done += steps
    assert done == len(inputs)
