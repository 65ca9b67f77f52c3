# SPDX-License-Identifier: BSD-3-Clause
"""DRED's bitstream in integers (docs/FORMAT.md, sections 2 to 4).

This package defines firmware/dredkit/dred, which gives the same bytes.

tables.py      the entropy tables of a model, per level
levels.py      the level of each chunk; latents to symbols and back
rangecoder.py  the RFC 6716 range coder
laplace.py     one symbol of a latent or state
payload.py     header and symbols: write a payload, parse an unverified one
history.py     what a sender remembers: latents, states, voice activity; offsets and silence
policy.py      how libopus spends a bitrate on redundancy
"""
