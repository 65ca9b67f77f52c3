# SPDX-License-Identifier: BSD-3-Clause
"""Write the chords of tanh and sigmoid for fast kernels, from quantize.integer's one table.

Between two entries of that table both functions are straight lines in 3 x. So with a base and a
slope for each step of x, negative steps included, one multiplication is left: the upper half of
base + 3 x slope is the result, rounding and sign included. The chords depend on no model, so the
file is checked in, and a test compares it with this module.
`python -m toolkit.codegen.constants.chords` writes it again.
"""

from typing import Final

from quantize.integer import SIGMOID_TABLE
from toolkit.targets.sources import LIBRARY

FILE: Final = LIBRARY / "nn" / "chords.c"
_LAST: Final = 255  # entry from which on the functions are flat
_PER_LINE: Final = 4


def tanh_chords() -> list[tuple[int, int]]:
    """Return base and slope for 3 x in steps of 2^8, -256 .. 255."""
    centre, half, to_upper = 1 << 23, 1 << 7, 8
    chords = []
    for step in range(-256, 256):
        base, slope = _chord(step if step >= 0 else -step - 1, 8)
        # tanh is odd, except for the direction in which it rounds a half.
        base = base - centre + half if step >= 0 else centre - base + half - 1
        chords.append((base << to_upper, slope << to_upper))
    return chords


def sigmoid_chords() -> list[tuple[int, int]]:
    """Return base and slope for 3 x in steps of 2^9, -192 .. 191: all that an int16 reaches."""
    one, half, to_upper = 1 << 25, 1 << 9, 6
    chords = []
    for step in range(-192, 192):
        base, slope = _chord(step if step >= 0 else -step - 1, 9)
        base = base + half if step >= 0 else one - base + half - 1
        chords.append((base << to_upper, slope << to_upper))
    return chords


def source() -> str:
    """Return the text of the file."""
    text = (
        "// SPDX-License-Identifier: BSD-3-Clause\n"
        "// Written by toolkit/codegen/constants/chords.py: do not edit.\n"
        '// clang-format off\n#include "nn/chords.h"\n'
    )
    for name, chords in (("tanh", tanh_chords()), ("sigmoid", sigmoid_chords())):
        words = [f"{{{base}, {slope}}}" for base, slope in chords]
        rows = (", ".join(words[i : i + _PER_LINE]) for i in range(0, len(words), _PER_LINE))
        body = "".join(f"    {row},\n" for row in rows)
        text += f"\nconst dk_chord dk_{name}_chords[{len(chords)}] = {{\n{body}}};\n"
    return text


def _chord(step: int, bits: int) -> tuple[int, int]:
    """Return base and slope, over 3 |x|, of the line through two entries that are 2^bits apart."""
    low = int(SIGMOID_TABLE[min(step, _LAST)])
    slope = int(SIGMOID_TABLE[min(step + 1, _LAST)]) - low
    return (low << bits) - (step << bits) * slope, slope


if __name__ == "__main__":
    FILE.write_text(source(), encoding="utf-8")
