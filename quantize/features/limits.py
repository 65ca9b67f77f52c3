# SPDX-License-Identifier: BSD-3-Clause
"""Measure how far decoded features are from a reference, as xiph's conformance test does.

The result is three numbers over all 10-ms frames. The first is the root of the mean squared error,
summed over the cepstrum and the correlation. The second is the largest root mean squared error of
one of these 19. The third is the mean absolute error of the pitch feature where the reference is
voiced. A conforming DRED decoder stays within LIMITS (docs/FORMAT.md, section 8).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.features.floats import CORRELATION, FEATURES, PITCH

VOICED: Final = 0.2  # a frame is voiced if its correlation feature is above this


@dataclass(frozen=True)
class FeatureErrors:
    """The three numbers; `pitch` is 0 if no frame of the reference is voiced."""

    total: float
    worst: float
    pitch: float

    def within(self, limits: "FeatureErrors") -> bool:
        """Return whether none of the three is above its limit."""
        return (
            self.total <= limits.total and self.worst <= limits.worst and self.pitch <= limits.pitch
        )


LIMITS: Final = FeatureErrors(total=0.5, worst=0.15, pitch=0.02)


def compare_features(
    reference: npt.NDArray[np.floating], got: npt.NDArray[np.floating]
) -> FeatureErrors:
    """Compare frames [n, 20] of real values; raises InputError for other shapes or no frames."""
    if reference.shape != got.shape or got.ndim != 2 or got.shape[1] != FEATURES or not len(got):
        raise InputError(f"features of shapes {reference.shape} and {got.shape} do not compare")
    error = got.astype(np.float64) - reference.astype(np.float64)
    squares = np.delete((error**2).mean(axis=0), PITCH)
    voiced = reference[:, CORRELATION] > VOICED
    pitch = float(np.abs(error[voiced, PITCH]).mean()) if voiced.any() else 0.0
    return FeatureErrors(float(np.sqrt(squares.sum())), float(np.sqrt(squares.max())), pitch)
