# SPDX-License-Identifier: BSD-3-Clause
"""Opus streams with DRED on the host: made by libopus and our sender, or read from a file.

bitfile.py   opus_demo's packet files, which libopus' own tools read
codec.py     the base codec: libopus through opuslib-next
sender.py    speech to packets with redundancy
receiver.py  what a stream holds, and what of it would survive losses
"""
