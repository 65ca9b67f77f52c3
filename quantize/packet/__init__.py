# SPDX-License-Identifier: BSD-3-Clause
"""Opus packets and the extensions in their padding. This defines firmware/dredkit/packet."""
