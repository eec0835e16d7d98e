"""clDice and interruptions on drawn vessels whose values can be counted."""

import numpy as np
import pytest
from skimage.draw import line

from napari_retina_seg.metrics.connectivity import centreline_dice, interruptions

EVERYWHERE = np.ones((60, 80), bool)


def vessel(*parts: tuple[int, int], rows: int = 3) -> np.ndarray:
    """Return a horizontal vessel that is there from column to column."""
    mask = np.zeros((60, 80), bool)
    for start, stop in parts:
        mask[30 - rows // 2 : 31 + rows // 2, start:stop] = True
    return mask


def test_equal_masks_agree_and_have_no_gap() -> None:
    whole = vessel((5, 75))
    assert centreline_dice(whole, whole, EVERYWHERE) == 1
    assert interruptions(whole, whole, EVERYWHERE) == 0


def test_width_does_not_count_but_length_does() -> None:
    thin, thick = vessel((5, 75), rows=3), vessel((5, 75), rows=7)
    assert centreline_dice(thin, thick, EVERYWHERE) == pytest.approx(1, abs=0.05)
    half = centreline_dice(vessel((5, 75)), vessel((5, 40)), EVERYWHERE)
    assert half == pytest.approx(2 * 0.5 / 1.5, abs=0.04)


def test_each_gap_between_drawn_parts_counts_once() -> None:
    whole = vessel((5, 75))
    assert interruptions(whole, vessel((5, 30), (40, 75)), EVERYWHERE) == 1
    assert interruptions(whole, vessel((5, 20), (30, 50), (60, 75)), EVERYWHERE) == 2


def test_a_missed_end_and_a_rough_edge_are_no_gaps() -> None:
    whole = vessel((5, 75))
    assert interruptions(whole, vessel((5, 50)), EVERYWHERE) == 0
    assert interruptions(whole, vessel((5, 40), (43, 75)), EVERYWHERE) == 0


def test_a_gap_at_a_branching_counts_once() -> None:
    fork = np.zeros((60, 80), bool)
    for end in ((10, 70), (50, 70), (30, 5)):
        fork[line(30, 40, *end)] = True
    cut = fork.copy()
    cut[22:39, 32:49] = False
    assert interruptions(fork, cut, EVERYWHERE) == 1


def test_only_what_lies_inside_counts() -> None:
    whole, broken = vessel((5, 75)), vessel((5, 30), (40, 75))
    inside = EVERYWHERE.copy()
    inside[:, 25:] = False
    assert interruptions(whole, broken, inside) == 0
    assert np.isnan(centreline_dice(whole & ~inside, broken & ~inside, inside))
    assert centreline_dice(whole, np.zeros_like(whole), EVERYWHERE) == 0
