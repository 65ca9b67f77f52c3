# SPDX-License-Identifier: BSD-3-Clause
"""Signal processing in integers: the normative model of firmware/dredkit/dsp and the features of DRED.

Everything here works on int64 arrays that hold exact integers, with the frames of a signal in the
first axis. C equals each function to the last bit; the type named in a docstring is the one that
the values fit. The names of formats: Q15 is a number with 15 bits after the binary point.
"""
