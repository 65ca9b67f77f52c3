# SPDX-License-Identifier: BSD-3-Clause
"""Opus packets and the extensions in their padding (docs/FORMAT.md, section 1)."""
