# SPDX-License-Identifier: BSD-3-Clause
"""Write the constant tables of firmware/dredkit: dsp, features, the pulse voice and Burg cepstra.

They depend on no model, so the files are checked in, and a test compares them with this module.
`python -m toolkit.codegen.constants.dsp` writes them again.
"""

from __future__ import annotations

import textwrap
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dsp import correlation, fft, lpc, resample, scalar, spectrum
from quantize.features import pitch
from quantize.plc import burg
from quantize.vocoder import pulse
from toolkit.codegen.network.tables import END_EXTERN_C, EXTERN_C
from toolkit.targets.sources import LIBRARY

_BANNER: Final = (
    "// SPDX-License-Identifier: BSD-3-Clause\n"
    "// Written by toolkit/codegen/constants/dsp.py from quantize/dsp: do not edit.\n"
    "// clang-format off\n"
)


def files() -> dict[str, str]:
    """Return the text of each generated file by its path below firmware/."""
    return {
        "dsp/tables.c": _dsp_source(),
        "dsp/filters.c": _filters_source(),
        "features/features_tables.c": _features_source(),
        "features/features_tables.h": _features_header(),
        "vocoder/pulse_tables.c": _pulse_source(),
        "plc/plc_tables.c": _plc_source(),
        "plc/plc_tables.h": _plc_header(),
    }


def _table(declaration: str, values: npt.NDArray[np.int64]) -> str:
    body = ", ".join(str(v) for v in values.reshape(-1))
    lines = textwrap.fill(body, 100, initial_indent="    ", subsequent_indent="    ")
    return f"const {declaration} = {{\n{lines},\n}};\n"


def _rows(values: npt.NDArray[np.int64], indent: str) -> str:
    """Return a two-dimensional initialiser, one brace for a row."""
    inner = indent + "    "
    text = "{\n"
    for row in values:
        body = "{" + ", ".join(str(v) for v in row) + "},"
        text += textwrap.fill(body, 100, initial_indent=inner, subsequent_indent=inner + " ") + "\n"
    return text + indent + "}"


def _blocks(values: npt.NDArray[np.int64]) -> str:
    """Return a three-dimensional initialiser."""
    return "{\n" + "".join(f"    {_rows(block, '    ')},\n" for block in values) + "}"


def _dsp_source() -> str:
    return "\n".join(
        [
            _BANNER + '#include "dsp/fft.h"\n#include "dsp/scalar.h"\n',
            _table("int32_t dk_log_table[65]", scalar.LOG_TABLE),
            _table("uint32_t dk_exp_table[65]", scalar.EXP_TABLE),
            _table("uint16_t dk_rsqrt_table[49]", scalar.RSQRT_TABLE),
            _table("int32_t dk_fft_cosines[320]", fft.COSINES),
            _table("uint8_t dk_fft_order[160]", fft.ORDER),
            f"const int32_t dk_fft_turns40[10][3][2] = {_blocks(_turns40())};\n",
            f"const int32_t dk_fft_turns160[10][6][4] = {_blocks(_turns160())};\n",
        ]
    )


def _turns(size: int) -> npt.NDArray[np.int64]:
    """Return [bins, 3, 2] in Q30: cos and -sin of the twiddles w, w^2 and w^3.

    They join 4 transforms of `size` points.
    """
    k = fft.POINTS // (4 * size) * np.arange(size)[:, None] * np.arange(1, 4)[None]
    return np.stack([fft.COSINES[k], fft.COSINES[k + fft.POINTS // 4]], axis=2)


def _turns40() -> npt.NDArray[np.int64]:
    return _turns(10)


def _turns160() -> npt.NDArray[np.int64]:
    """Return [groups, 6, 4]: four neighbouring bins beside each other."""
    return _turns(40).reshape(10, 4, 6).transpose(0, 2, 1)


def _filters_source() -> str:
    text = _BANNER + '#include "dsp/resample.h"\n'
    for rate, spec in resample.FILTERS.items():
        width = spec.taps.shape[1]
        text += f"\nstatic const int32_t taps_{rate}[] = {{\n"
        body = ", ".join(str(v) for v in spec.taps.reshape(-1))
        text += textwrap.fill(body, 100, initial_indent="    ", subsequent_indent="    ")
        text += f",\n}};\nconst dk_resample_filter dk_resample_{rate // 1000}k = {{\n"
        text += f"    {spec.up},\n    {spec.down},\n    {width},\n    taps_{rate},\n"
        text += f"    {_rows(spec.poles, '    ')},\n}};\n"
    return text


def _features_source() -> str:
    return "\n".join(
        [
            _BANNER + '#include "features/features_tables.h"\n',
            _table("int32_t dk_features_window[160]", spectrum.WINDOW),
            _table("int32_t dk_features_dct[72]", spectrum.DCT_COSINES),
            f"const int32_t dk_features_half_dct[18][9] = {_rows(_half_dct(), '')};\n",
            f"const int32_t dk_features_lag_matrix[17][18] = {_rows(lpc.LAG_MATRIX, '')};\n",
        ]
    )


def _half_dct() -> npt.NDArray[np.int64]:
    """Return [18, 9]: the first half of each row of the DCT of 18.

    The second half is the mirror image of the first, negated in odd rows.
    """
    n, k = np.arange(spectrum.BANDS), np.arange(spectrum.BANDS)[:, None]
    rows = spectrum.DCT_COSINES[(2 * n + 1) * k % len(spectrum.DCT_COSINES)]
    rows[0] = spectrum.DCT_FIRST
    if (rows[:, ::-1] != rows * np.where(k % 2, -1, 1)).any():
        raise AssertionError("the DCT's rounded cosines are not symmetric")
    return np.asarray(rows[:, : spectrum.BANDS // 2])


def _pulse_source() -> str:
    shapes = _blocks(pulse.PULSES)
    levels = f"[{pulse.LEVELS}]"
    return "\n".join(
        [
            _BANNER.replace("quantize/dsp", "quantize/vocoder/pulse.py")
            + '#include "vocoder/pulse_tables.h"\n',
            f"const int16_t dk_pulse_pulses{levels}[{pulse.PHASES}][{pulse.TAPS}] = {shapes};\n",
            _table(f"int32_t dk_pulse_means{levels}", pulse.PULSE_MEANS),
            f"const int16_t dk_pulse_noises{levels}[{pulse.TAPS}] = {_rows(pulse.NOISES, '')};\n",
            f"const int16_t dk_pulse_swells{levels}[2] = {_rows(pulse.SWELLS, '')};\n",
        ]
    )


_PLC_BANNER: Final = _BANNER.replace("quantize/dsp", "quantize/plc/burg.py")


def _plc_source() -> str:
    table = _table("int32_t dk_burg_widen[16]", burg.WIDEN)
    return f'{_PLC_BANNER}#include "plc/plc_tables.h"\n\n{table}'


def _plc_header() -> str:
    text = f"{_PLC_BANNER}#ifndef DREDKIT_PLC_TABLES_H\n#define DREDKIT_PLC_TABLES_H\n\n"
    text += f"#include <stdint.h>\n\n{EXTERN_C}\n"
    text += f"#define DK_BURG_FLOOR UINT64_C({burg.FLOOR})  // 320^2 * 1e-9, Q46\n"
    text += f"#define DK_BURG_LEVEL ({burg.LEVEL})  // log2 of 0.45 / (48 * 320 * 50), Q24\n"
    text += "\nextern const int32_t dk_burg_widen[16];  // 0.995^k, k = 1 .. 16, Q30\n"
    return f"{text}\n{END_EXTERN_C}\n#endif\n"


def _features_header() -> str:
    b1, a1, a2 = (int(v) for v in correlation.LOWPASS)
    constants = [
        ("DK_DCT_FIRST", spectrum.DCT_FIRST, "log10(2) / sqrt(18), Q30"),
        ("DK_LOG_RANGE", spectrum.LOG_RANGE, "8 decades in octaves, Q24"),
        ("DK_LOG_FOLLOW", spectrum.LOG_FOLLOW, "2.5 decades"),
        ("DK_LOG_START", spectrum.LOG_START, "-2 decades"),
        ("DK_LOG_75", spectrum.LOG_75, "log2 75, Q24"),
        ("DK_LOG_POINTS", spectrum.LOG_POINTS, "log2 320^2, Q24"),
        ("DK_IF_SLOPE", spectrum.IF_SLOPE, "10 log10(2) / 64, Q18"),
        ("DK_IF_OFFSET", spectrum.IF_OFFSET, "6 / 64, Q15"),
        ("DK_NOISE_FLOOR", lpc.NOISE_FLOOR, "26 / 38, Q30"),
        ("DK_EXCITATION_ZERO", correlation.EXCITATION_ZERO, "0.7, Q31"),
        ("DK_LOWPASS_B1", b1, "Q30"),
        ("DK_LOWPASS_A1", a1, "Q30"),
        ("DK_LOWPASS_A2", a2, "Q30"),
        ("DK_VOICING_SLOPE", correlation.VOICING_SLOPE, "5 log2 e, Q15"),
        ("DK_VOICING_NORM", correlation.VOICING_NORM, "1 / log2(1 + e^5), Q18"),
        ("DK_LOG2_E", pitch.LOG2_E, "Q15"),
    ]
    text = _BANNER + "#ifndef DREDKIT_DRED_FEATURES_TABLES_H\n"
    text += "#define DREDKIT_DRED_FEATURES_TABLES_H\n\n#include <stdint.h>\n\n"
    text += f"{EXTERN_C}\n"
    for name, value, meaning in constants:
        text += f"#define {name} {f'({value})' if value < 0 else value}  // {meaning}\n"
    text += "\nextern const int32_t dk_features_window[160];  // rising half, Q23\n"
    text += "extern const int32_t dk_features_dct[72];  // a period of the DCT's cosine, Q30\n"
    text += "extern const int32_t dk_features_half_dct[18][9];  // first half of each row, Q30\n"
    text += "extern const int32_t dk_features_lag_matrix[17][18];  // band density to lags, Q24\n"
    return f"{text}\n{END_EXTERN_C}\n#endif\n"


def main() -> None:
    """Write every table file again."""
    for name, text in files().items():
        (LIBRARY / name).write_text(text)


if __name__ == "__main__":
    main()
