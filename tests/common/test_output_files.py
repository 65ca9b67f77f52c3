# SPDX-License-Identifier: BSD-3-Clause
"""Output files appear whole or not at all; devices, FIFOs and links remain what they are."""

import contextlib
import errno
import io
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from quantize.errors import InputError
from quantize.files.write import copy_whole, open_whole, remove_old, write_whole
from toolkit.call.bitfile import Record, read_bitfile, write_bitfile
from toolkit.cli import group
from toolkit.codegen.board import write_board
from toolkit.codegen.wire import write_wire_header
from toolkit.speech.audio import write_wav
from toolkit.targets.target import load_target

PCM = np.arange(20_000, dtype=np.int16)
# Every function that writes a file named by the user, with more than 4096 bytes to write.
WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_whole(path, bytes(20_000)),
    "wav": lambda path: write_wav(path, PCM),
    "bit": lambda path: write_bitfile(path, [Record(bytes(200))] * 100),
}


@contextmanager
def full_disk(room: int = 4096) -> Iterator[None]:
    """Limit this process's files to `room` bytes: EFBIG stands in for a full disk's ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("old", [b"the old file", None])
def test_a_full_disk_leaves_the_old_file_alone(
    tmp_path: Path, writer: str, old: bytes | None
) -> None:
    path = tmp_path / "out"
    if old is not None:
        path.write_bytes(old)
    with full_disk(), pytest.raises(InputError) as caught:
        WRITERS[writer](path)
    assert str(caught.value) == f"cannot write {path}: {os.strerror(errno.EFBIG)}"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({"out": old} if old else {})


def test_an_interrupt_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with contextlib.suppress(KeyboardInterrupt), open_whole(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"out": b"old"}


def test_torch_and_numpy_files_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from quantize.networks.tensors import read_tensors, write_tensors
    from quantize.train.state import load_state, save_state

    path, tensors = tmp_path / "out", {"a": torch.arange(4096)}
    for write in (
        lambda: save_state(path, "test", tensors),
        lambda: write_tensors(path, tensors, {}),
    ):
        path.write_bytes(b"old")
        with full_disk(), pytest.raises(InputError, match="cannot write"):
            write()
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"out": b"old"}
    save_state(path, "test", tensors)
    assert torch.equal(load_state(path, "test")["a"], tensors["a"])
    write_tensors(path, tensors, {})
    assert torch.equal(read_tensors(path)["a"], tensors["a"])


def test_build_files_are_whole_too(tmp_path: Path) -> None:
    target = load_target("mps3-an547")
    with full_disk(100), pytest.raises(InputError, match="cannot write"):
        write_board(target, tmp_path)
    with full_disk(100), pytest.raises(InputError, match="cannot write"):
        write_wire_header(tmp_path / "wire.h")
    assert not list(tmp_path.iterdir())


def test_a_copy_keeps_its_permissions(tmp_path: Path) -> None:
    source, path = tmp_path / "program", tmp_path / "copy"
    source.write_bytes(b"#!")
    source.chmod(0o750)
    copy_whole(source, path)
    assert path.read_bytes() == b"#!"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path, writer: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "file").write_bytes(b"old")
    link, link_to_link = tmp_path / "link", tmp_path / "again"
    link.symlink_to("inner/file")
    link_to_link.symlink_to(link)
    WRITERS[writer](link_to_link)
    assert link.is_symlink()
    assert link_to_link.is_symlink()
    assert len((inner / "file").read_bytes()) > 4096
    assert [p.name for p in inner.iterdir()] == ["file"]


def test_a_link_to_nothing_yet_makes_its_file(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("later/file")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "later" / "file").read_bytes() == b"new"


@pytest.mark.parametrize("writer", WRITERS)
def test_a_fifo_is_written_straight(tmp_path: Path, writer: str) -> None:
    fifo, heard = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: heard.append(fifo.read_bytes()))
    reader.start()
    WRITERS[writer](fifo)
    reader.join()
    plain = tmp_path / "plain"
    WRITERS[writer](plain)
    assert heard == [plain.read_bytes()]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_device_stays_a_device(tmp_path: Path, writer: str) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices may be made here")
    with contextlib.suppress(InputError):  # the file system may be mounted without devices
        WRITERS[writer](device)
    assert stat.S_ISCHR(device.lstat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["null"]


@pytest.mark.parametrize("writer", WRITERS)
def test_the_null_device_takes_everything(writer: str) -> None:
    before = Path(os.devnull).stat()
    WRITERS[writer](Path(os.devnull))
    after = Path(os.devnull).stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_dev) == (before.st_ino, before.st_dev)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_an_open_file_is_written_where_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    link = tmp_path / "link"
    with log.open("ab", buffering=0) as stream:
        link.symlink_to(f"/dev/fd/{stream.fileno()}")
        write_whole(Path(f"/dev/fd/{stream.fileno()}"), b"written\n")
        write_whole(link, b"again\n")
        stream.write(b"after\n")
    assert log.read_bytes() == b"before\nwritten\nagain\nafter\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "log"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", errno.EISDIR),
        ("file/below", errno.ENOTDIR),
        ("loop", errno.ELOOP),
        ("/proc/nope/x", errno.ENOENT),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, why: int) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / name
    with pytest.raises(InputError) as caught:
        write_whole(path, b"x")
    assert str(caught.value) == f"cannot write {path}: {os.strerror(why)}"
    with pytest.raises(InputError, match="cannot write"):
        remove_old(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "loop"]


def test_remove_old_follows_links_and_spares_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "new/file"):
        remove_old(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo", "link", "new"]


def test_written_audio_reads_back(tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav", PCM)
    found, rate = soundfile.read(io.BytesIO((tmp_path / "out.wav").read_bytes()), dtype="int16")
    assert rate == 16000
    assert np.array_equal(found, PCM)
    write_bitfile(tmp_path / "out.bit", [Record(b"ab", 7)])
    assert read_bitfile(tmp_path / "out.bit") == [Record(b"ab", 7)]


def test_json_to_a_link_and_a_fifo_through_a_command(tmp_path: Path) -> None:
    link, fifo, heard = tmp_path / "link", tmp_path / "fifo", []
    link.symlink_to("file.json")
    os.mkfifo(fifo)
    assert CliRunner().invoke(group, ["targets", "--json", str(link)]).exit_code == 0
    reader = threading.Thread(target=lambda: heard.append(fifo.read_bytes()))
    reader.start()
    assert CliRunner().invoke(group, ["targets", "--json", str(fifo)]).exit_code == 0
    reader.join()
    assert link.is_symlink()
    assert heard == [(tmp_path / "file.json").read_bytes()]
    assert b"mps3-an547" in heard[0]
