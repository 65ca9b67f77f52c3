# SPDX-License-Identifier: BSD-3-Clause
"""DRED's bitstream in integers: normative for firmware/dredkit/dred, which equals it to the last bit.

tables.py      the entropy tables of a model, per level
levels.py      which level a chunk has; latents to symbols and back
rangecoder.py  the RFC 6716 range coder
laplace.py     one symbol of a latent or state
payload.py     header and symbols: write a payload, parse one that nobody vouches for
history.py     what a sender remembers: latents, states, voice activity; offsets and silence
policy.py      how libopus spends a bitrate on redundancy
redundancy.py  a payload back to features, a chunk at a time
calibration.py the decoder's networks, quantised on what a payload carries
compare.py     how far decoded features are from others
"""
