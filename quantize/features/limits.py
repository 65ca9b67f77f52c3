# SPDX-License-Identifier: BSD-3-Clause
"""How far decoded features are from a reference, by the measure that xiph's conformance test uses.

Three numbers over all 10-ms frames: the root of the mean squared error summed over the cepstrum and
the correlation, the same of the worst one of these 19, and the mean absolute error of the pitch
feature where the reference is voiced. A conforming DRED decoder stays within LIMITS (DRED-SPEC
section 9).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.features.floats import CORRELATION, FEATURES, PITCH

VOICED: Final = 0.2  # a frame is voiced whose correlation feature is above


@dataclass(frozen=True)
class FeatureErrors:
    """The three numbers; `pitch` is 0 where no frame of the reference is voiced."""

    total: float
    worst: float
    pitch: float

    def within(self, limits: "FeatureErrors") -> bool:
        """Whether none of the three is above its limit."""
        return (
            self.total <= limits.total and self.worst <= limits.worst and self.pitch <= limits.pitch
        )


LIMITS: Final = FeatureErrors(total=0.5, worst=0.15, pitch=0.02)


def compare_features(
    reference: npt.NDArray[np.floating], got: npt.NDArray[np.floating]
) -> FeatureErrors:
    """Compare frames [n, 20] of real values; raises InputError for other shapes or no frame."""
    if reference.shape != got.shape or got.ndim != 2 or got.shape[1] != FEATURES or not len(got):
        raise InputError(f"features of shapes {reference.shape} and {got.shape} do not compare")
    error = got.astype(np.float64) - reference.astype(np.float64)
    squares = np.delete((error**2).mean(axis=0), PITCH)
    voiced = reference[:, CORRELATION] > VOICED
    pitch = float(np.abs(error[voiced, PITCH]).mean()) if voiced.any() else 0.0
    return FeatureErrors(float(np.sqrt(squares.sum())), float(np.sqrt(squares.max())), pitch)
