# SPDX-License-Identifier: BSD-3-Clause
"""Bad input through the command line: one clear line, the right exit code, nothing half-written."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from quantize.dred.history import Rate
from quantize.nn.model import QuantisedModel
from tests.support.small_models import small_model
from toolkit.cli import main
from toolkit.stages.sending import asked_rate

ROOT = Path(__file__).resolve().parents[2]
QUANTIZE = ("quantize", "--stage", "rdovae_enc")


@pytest.fixture(scope="module", autouse=True)
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give this process its own build folder, so that tests may run side by side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DREDKIT_BUILD", str(tmp_path_factory.mktemp("build")))
        yield


def dredkit(*words: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = path
        environment["DREDKIT_ARM"] = str(ROOT / "no-such-folder")  # ./run may have unpacked one
    return subprocess.run(
        [sys.executable, "-m", "toolkit.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Check that a command ended with exit `code` and one line; return that line."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("dredkit: ")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def blob(name: str, values: np.ndarray, kind: int) -> bytes:
    data = values.tobytes()
    block = -(-len(data) // 64) * 64
    head = b"DNNw" + np.array([0, kind, len(data), block], "<i4").tobytes()
    return head + name.encode().ljust(44, b"\0") + data.ljust(block, b"\0")


def test_help_names_every_command() -> None:
    text = dredkit("--help").stdout
    for word in ("doctor", "quantize", "generate", "build", "flash", "verify", "report", "demo"):
        assert word in text


def test_unknown_target_lists_the_known() -> None:
    line = refused(dredkit("generate", "--target", "toaster"), 2)
    assert "toaster" in line
    assert "mps3-an547" in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"DNNw\0\0", "truncated"),
        (b"RIFF" + bytes(400), "not a"),
        (blob("enc_dense1_bias", np.zeros(64, "<f4"), 0), "enc_dense1"),
        (blob("enc_dense1_bias", np.zeros(64, "<f4"), 0)[:-9], "truncated"),
        (blob("enc_dense1_bias", np.zeros(64, "<f4"), 9), "type 9"),
    ],
)
def test_bad_blob(tmp_path: Path, content: bytes, says: str) -> None:
    weights, output = tmp_path / "weights.bin", tmp_path / "model.dkq"
    weights.write_bytes(content)
    line = refused(dredkit(*QUANTIZE, "--weights", weights, "--output", output), 2)
    assert says in line
    assert str(weights) in line
    assert sorted(tmp_path.iterdir()) == [weights]


def test_foreign_blob(tmp_path: Path) -> None:
    source, output = tmp_path / "lace.bin", tmp_path / "model.safetensors"
    source.write_bytes(blob("lace_fnet_conv1_bias", np.zeros(64, "<f4"), 0))
    line = refused(dredkit("import", source, "--output", output), 2)
    assert "enc_dense1 is missing" in line
    assert "the speech enhancement LACE" in line
    assert list(tmp_path.iterdir()) == [source]


def test_a_blob_alone_has_no_entropy_tables(upstream: Path, tmp_path: Path) -> None:
    source, output = upstream / "weights" / "rdovae_enc.bin", tmp_path / "model.dkq"
    line = refused(dredkit("quantize", "--weights", source, "--output", output), 2)
    assert "no entropy tables" in line
    assert "--tables" in line
    assert not output.exists()


def test_absent_weights(tmp_path: Path) -> None:
    line = refused(dredkit(*QUANTIZE, "--weights", tmp_path / "absent.bin"), 2)
    assert "no such file" in line


@pytest.mark.parametrize("what", ["not a WAV", "empty", "NaN", "too short", "absent"])
def test_bad_audio(tmp_path: Path, what: str) -> None:
    wav = tmp_path / "speech.wav"
    if what == "not a WAV":
        wav.write_bytes(b"MThd this is no speech")
    elif what == "empty":
        soundfile.write(wav, np.zeros(0, np.float32), 16000)
    elif what == "NaN":
        soundfile.write(wav, np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    elif what == "too short":
        soundfile.write(wav, np.zeros(100, np.float32), 16000)
    output = tmp_path / "model.dkq"
    line = refused(dredkit("quantize", "--calibration", wav, "--output", output), 2)
    assert str(wav) in line
    assert not output.exists()


def test_import_keeps_the_integers(upstream: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "up.safetensors"
    source = upstream / "weights" / "rdovae_enc.bin"
    done = dredkit("import", source, "--output", checkpoint, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["layers"]["enc_gru1_input"]["int8"] is True
    models = []
    for weights in (source, checkpoint):
        output = tmp_path / "up.dkq"
        done = dredkit(*QUANTIZE, "--weights", weights, "--output", output, "--json", "-")
        assert done.returncode == 0, done.stderr
        models.append(QuantisedModel.load(output))
        assert json.loads(done.stdout)["model_hash"] == models[-1].hash
    assert models[0].frac == models[1].frac
    for name, matrix in models[0].matrices.items():
        other = models[1].matrices[name]
        assert np.array_equal(matrix.weights, other.weights)
        assert np.array_equal(matrix.bias, other.bias)
        assert np.array_equal(matrix.multiplier, other.multiplier)
        assert np.array_equal(matrix.shift, other.shift)


def test_garbage_model_file(tmp_path: Path) -> None:
    model = tmp_path / "model.dkq"
    model.write_bytes(os.urandom(300))
    line = refused(dredkit("generate", "--target", "host", "--model", model), 2)
    assert "not a quantised model" in line


def without(program: str, folder: Path) -> str:
    """Return a PATH with every program except `program`."""
    for directory in reversed(os.environ["PATH"].split(os.pathsep)):
        for tool in Path(directory).glob("*") if Path(directory).is_dir() else []:
            link = folder / tool.name
            if program not in tool.name and not link.is_symlink():
                link.symlink_to(tool)
    return str(folder)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--q0 16", "'--q0': 16 is not in the range 0<=x<=15"),
        ("--q0 6 --qmax 3", "want qmax 7..15, got 3"),
        ("--dq 9", "'--dq': 9 is not in the range 0<=x<=7"),
        ("--duration 50", "--duration 50: want 40..1040 ms in steps of 40"),
        ("--duration 1080", "'--duration': 1080 is not in the range 40<=x<=1040"),
        ("--max-bytes 0", "'--max-bytes': 0 is not in the range 1<=x<=256"),
        ("--max-bytes 257", "'--max-bytes': 257 is not in the range 1<=x<=256"),
        ("--bitrate 32000", "give both or neither"),
        ("--loss 10", "give both or neither"),
        ("--bitrate 32000 --loss 10 --q0 3", "leave out those options"),
        ("--bitrate 12500 --loss 0", "too little for any redundancy"),
        ("--bitrate 600000 --loss 5", "600000 is not in the range 1<=x<=510000"),
        ("--input-rate 44100", "want one of 8000, 12000, 16000, 24000, 48000"),
    ],
)
def test_bad_rates_are_refused_before_any_work(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("verify", "stream"):
        # The cases run in this process; otherwise each would start an interpreter of its own.
        with pytest.raises(SystemExit) as ended:
            main([name, "--target", "host", *words.split()])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("dredkit: ")
        assert says in line


def test_a_network_alone_has_no_rate(tmp_path: Path) -> None:
    model = tmp_path / "network.dkq"
    small_model().save(model)
    line = refused(dredkit("stream", "--target", "host", "--model", model, "--vad"), 2)
    assert "--vad: --model of one network does not take it" in line


def test_build_refuses_what_was_generated_for_another_rate(tmp_path: Path) -> None:
    model = tmp_path / "network.dkq"
    small_model().save(model)
    words = ("build", "--target", "mps3-an547", "--input-rate", "48000")
    assert "run `dredkit generate` first" in refused(dredkit(*words), 2)
    assert dredkit("generate", "--target", "mps3-an547", "--model", model).returncode == 0
    line = refused(dredkit(*words), 2)
    assert "at 16000 Hz, not 48000" in line
    assert "dredkit generate --input-rate 48000" in line


@pytest.mark.parametrize(
    ("words", "rate"),
    [
        ({}, Rate(6, 5, 15, 26, 256)),
        ({"q0": 3, "dq": 0, "max_bytes": 99}, Rate(3, 0, 15, 26, 99)),
        ({"qmax": 9, "duration": 400}, Rate(6, 5, 9, 10, 256)),
        ({"bitrate": 32000, "loss": 20}, Rate(6, 5, 15, 5, 256)),
        ({"bitrate": 24000, "loss": 10, "duration": 200, "max_bytes": 80}, Rate(9, 5, 15, 2, 80)),
    ],
)
def test_what_the_options_of_the_rate_ask_for(words: dict[str, int], rate: Rate) -> None:
    assert asked_rate(**words) == rate


def test_missing_compiler(tmp_path: Path) -> None:
    path = without("arm-none-eabi-gcc", tmp_path)
    assert shutil.which("cmake", path=path) is not None
    line = refused(dredkit("verify", "--target", "mps3-an547", path=path), 2)
    assert "arm-none-eabi-gcc" in line
    assert "gcc-arm-none-eabi" in line


def test_missing_emulator(tmp_path: Path) -> None:
    path = without("qemu-system-arm", tmp_path)
    line = refused(dredkit("verify", "--target", "mps3-an547", path=path), 2)
    assert "qemu-system-arm" in line


def test_port_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = f"socket://127.0.0.1:{other.getsockname()[1]}"
        line = refused(dredkit("verify", "--target", "mps3-an547", "--serial", port), 3)
    assert "cannot be used" in line


def test_unplugged_board() -> None:
    line = refused(dredkit("verify", "--target", "netduinoplus2", "--port", "/dev/ttyNONE"), 3)
    assert "/dev/ttyNONE" in line
