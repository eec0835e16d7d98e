"""Where two masks of one image differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SAME, MISSED, EXTRA, OTHER = range(4)  # what `difference` returns


def difference(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], value: int | None = None
) -> npt.NDArray[np.uint8]:
    """Compare two masks pixel by pixel.

    Parameters
    ----------
    truth, prediction : array
        Class values, of one shape.
    value : int, optional
        The class that is asked about; by default all of them.

    Returns
    -------
    array
        uint8: `SAME`, `MISSED` where only the truth has the class (a false negative), `EXTRA` where
        only the judged mask has it (a false positive), and `OTHER` where, all classes being asked
        about, both have one and not the same.
    """
    if value is not None:
        return difference(truth == value, prediction == value)
    result = np.zeros(truth.shape, np.uint8)
    differs = truth != prediction
    result[differs & (prediction == 0)] = MISSED
    result[differs & (truth == 0)] = EXTRA
    result[differs & (truth != 0) & (prediction != 0)] = OTHER
    return result
