# SPDX-License-Identifier: BSD-3-Clause
"""Features for the frames that no payload covers: held and faded, or predicted, in integers.

This package defines firmware/dredkit/plc.
"""
