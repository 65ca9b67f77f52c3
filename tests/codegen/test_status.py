# SPDX-License-Identifier: BSD-3-Clause
"""toolkit/common/wire.toml is the one source of error numbers and of the bytes of a step."""

import pytest

from quantize.codec import receiver_model
from quantize.dred import laplace, payload
from quantize.packet import extension, opus_packet
from toolkit.codegen.constants.status import FILE, source
from toolkit.codegen.wire import wire_header
from toolkit.common.wire import WIRE, Status
from toolkit.stages import calling, receiver


def test_the_public_header_is_as_written() -> None:
    assert FILE.read_text(encoding="utf-8") == source()


def test_every_error_has_a_status() -> None:
    errors = {status.name.lower(): -status for status in Status if status is not Status.OK}
    assert errors == WIRE.errors
    assert WIRE.error_meanings.keys() == WIRE.errors.keys()


def test_every_op_has_a_kind() -> None:
    kinds = [*receiver.Kind, *calling.Kind]
    assert sorted(kinds) == sorted(WIRE.ops.values())


def test_quantize_has_the_same_numbers() -> None:
    assert receiver_model.ERR_ARGUMENT == Status.ARGUMENT
    assert receiver_model.ERR_ORDER == Status.ORDER
    assert payload.LENGTH == Status.LENGTH
    assert (laplace.SHORT, laplace.SYMBOL) == (Status.SHORT, Status.SYMBOL)
    assert opus_packet.PACKET == Status.PACKET
    assert (extension.EXTENSION, extension.PRESENT) == (Status.EXTENSION, Status.PRESENT)


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("RECEIVER_OP_AT_AHEAD", 4),
        ("RECEIVER_OP_AT_BODY", 8),
        ("RECEIVER_OP_BYTES", 8),
        ("RECEIVER_ANSWER_AT_WANTED", 4),
        ("SENDER_REQUEST_AT_VOICE", 6),
        ("SENDER_REQUEST_BYTES", 8),
        ("SENDER_ANSWER_AT_ROOM", 2),
    ],
)
def test_c_gets_the_offsets_of_records(name: str, offset: int) -> None:
    assert f"#define DK_WIRE_{name} {offset}u\n" in wire_header()
