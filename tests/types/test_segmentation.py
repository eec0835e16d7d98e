"""How unsure a model was of what it drew."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.segmentation import Provenance, Segmentation

MADE = Provenance("eye.png", "model", "0" * 64, "1", "CPU", "float32", 0.1)


def drawn(vessel: np.ndarray) -> Segmentation:
    probabilities = np.stack([1 - vessel, vessel]).astype(np.float16)
    return Segmentation(
        (vessel > 0.5).astype(np.uint8),
        scheme=FUNDUS_VESSELS,
        provenance=MADE,
        boundaries=None,
        probabilities=probabilities,
    )


def test_doubt_is_that_of_what_was_drawn_however_much_is_surely_background() -> None:
    vessel = np.zeros((100, 100))
    vessel[50] = 0.75
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert drawn(vessel).mean_uncertainty() == pytest.approx(entropy, abs=1e-3)


def test_where_nothing_was_drawn_doubt_is_largest() -> None:
    nothing = drawn(np.zeros((10, 10)))
    assert nothing.mean_uncertainty() == 1
    labels = np.ones_like(nothing.labels)
    assert replace(nothing, labels=labels).mean_uncertainty() < 0.01


def test_columns_that_were_guessed_are_told_from_pixels_without_data() -> None:
    result = drawn(np.pad(np.ones((20, 100)), ((40, 40), (0, 0))))
    ignore = np.zeros(result.labels.shape, bool)
    ignore[:, 90:] = True  # no data
    labels = np.where(ignore, 0, result.labels).astype(np.uint8)
    ignore[40:60, 30:48] = True  # layers that were guessed
    message = replace(result, labels=labels, ignore=ignore).message
    assert message.startswith("10% of the pixels hold no data and are left out. In 20.0% of the")
    assert "Check them." in message
    assert replace(result, labels=labels, ignore=ignore).fired_checks == ("guess",)
    assert "guess" not in replace(result, labels=labels, ignore=ignore & (labels == 0)).message
