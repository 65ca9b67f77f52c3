# SPDX-License-Identifier: BSD-3-Clause
"""Signal processing in integers for the features of DRED (docs/FORMAT.md, section 5).

This package defines firmware/dredkit/dsp, whose C equals each function to the last bit. Arrays are
int64 and hold exact integers, with the frames of a signal in the first axis. A docstring names the
type that the values fit. Q15 is a number with 15 bits after the binary point. "Step" means a step
of the features in that section.
"""
