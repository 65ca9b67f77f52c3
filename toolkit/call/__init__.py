# SPDX-License-Identifier: BSD-3-Clause
"""Opus streams with DRED on the host: libopus and our sender make them, or a file holds them.

bitfile.py     opus_demo's packet files, which libopus' own tools read
codec.py       the base codec: libopus through opuslib-next
sender.py      speech to packets with redundancy
explain.py     what each packet carries, and what its loss would cost
receiver.py    the contents of a stream, and what would survive losses
losses.py      which packets are lost
play.py        what a receiver is given when, and what it plays
library.py     the firmware's receiver, compiled for this machine
one.py         one call
oggfile.py     the packets of Ogg Opus, by libopusfile
table/         ways to send and play recordings, scored side by side
board/         one call through a board, compared packet by packet
conformance/   libopus' DRED vectors, judged by its limits
"""
