# SPDX-License-Identifier: BSD-3-Clause
"""Voices in integers: 10 ms of PCM from a feature vector, continuing what was heard."""
