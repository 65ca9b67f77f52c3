# SPDX-License-Identifier: BSD-3-Clause
"""Voices in integers: each turns a feature vector into 10 ms of PCM and continues what was heard.

This package defines firmware/dredkit/vocoder.
"""
