# SPDX-License-Identifier: BSD-3-Clause
"""The packets of an Ogg Opus file (RFC 7845), through xiph's own reader, libopusfile.

libopusfile checks pages and headers and hands each packet to a callback, in place of its decoder.
"""

from __future__ import annotations

import ctypes.util
from functools import cache
from pathlib import Path
from typing import Any, Final

import cffi

from quantize.files.reading import file_bytes
from toolkit.call.bitfile import RECORDS_MAX, Record
from toolkit.common.errors import InputError, ToolError

MAGIC: Final = b"OggS"
HEAD: Final = b"OpusHead"
_FIRST_PAGE: Final = 64  # bytes within which an Ogg file names its first codec
_ROOM: Final = 5760 * 8  # samples: 120 ms at 48 kHz, of up to 8 channels
_HOLE: Final = -3  # OP_HOLE: pages are missing; reading goes on
_CDEF: Final = """
typedef struct OggOpusFile OggOpusFile;
typedef struct {
    unsigned char *packet; long bytes; long b_o_s; long e_o_s; int64_t granulepos; int64_t packetno;
} ogg_packet;
typedef struct {
    int version; int channel_count; unsigned pre_skip; uint32_t input_sample_rate; int output_gain;
    int mapping_family; int stream_count; int coupled_count; unsigned char mapping[255];
} OpusHead;
typedef int (*op_decode_cb_func)(void *ctx, void *decoder, void *pcm, const ogg_packet *op,
    int nsamples, int nchannels, int format, int li);
OggOpusFile *op_open_memory(const unsigned char *data, size_t size, int *error);
void op_free(OggOpusFile *of);
int op_link_count(const OggOpusFile *of);
const OpusHead *op_head(const OggOpusFile *of, int li);
void op_set_decode_callback(OggOpusFile *of, op_decode_cb_func cb, void *ctx);
int op_read(OggOpusFile *of, int16_t *pcm, int buf_size, int *li);
"""


def is_oggfile(path: Path) -> bool:
    """Return whether a file begins as Ogg Opus does; raises InputError if it cannot be read."""
    data = file_bytes(path, "give an Ogg Opus file")[:_FIRST_PAGE]
    return data.startswith(MAGIC) and HEAD in data


def read_oggfile(path: Path) -> list[Record]:
    """Read the packets of all streams that are chained in a file; their final ranges are unknown.

    Raises InputError for anything but Ogg Opus, a damaged file, and one whose channels are spread
    over several Opus streams; ToolError without libopusfile.
    """
    data = file_bytes(path, "give an Ogg Opus file")
    ffi, lib = _library()
    error = ffi.new("int *")
    memory = ffi.from_buffer(data)
    file = lib.op_open_memory(ffi.cast("unsigned char *", memory), len(data), error)
    if file == ffi.NULL:
        raise InputError(f"{path} is not an Ogg Opus file that can be read (error {error[0]})")
    try:
        for link in range(lib.op_link_count(file)):
            if lib.op_head(file, link).stream_count != 1:
                raise InputError(f"{path}: more than two channels: want mono or stereo")
        return _packets(path, ffi, lib, file)
    finally:
        lib.op_free(file)


def _packets(path: Path, ffi: Any, lib: Any, file: Any) -> list[Record]:
    records: list[Record] = []

    def take(ctx: Any, decoder: Any, pcm: Any, packet: Any, *about: int) -> int:
        records.append(Record(bytes(ffi.buffer(packet.packet, packet.bytes))))
        return 0  # decoded; nobody listens to the samples

    callback = ffi.callback("op_decode_cb_func", take)
    lib.op_set_decode_callback(file, callback, ffi.NULL)
    samples = ffi.new("int16_t[]", _ROOM)
    while (got := lib.op_read(file, samples, _ROOM, ffi.NULL)) > 0 or got == _HOLE:
        if len(records) > RECORDS_MAX:
            raise InputError(f"{path}: more than {RECORDS_MAX} packets: cut it")
    if got < 0:
        raise InputError(f"{path}: damaged after packet {len(records)} (error {got})")
    if not records:
        raise InputError(f"{path}: no packets")
    return records


@cache
def _library() -> tuple[Any, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_CDEF)
    name = ctypes.util.find_library("opusfile")
    if name is None:
        raise ToolError("libopusfile is missing: apt-get install libopusfile0")
    try:
        return ffi, ffi.dlopen(name)
    except OSError as error:
        raise ToolError(f"libopusfile: {error}") from error
