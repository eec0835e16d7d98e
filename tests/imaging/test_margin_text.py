"""Text along the edges of a picture is noticed, and the retina is not taken for it."""

import cv2
import numpy as np
import pytest

from napari_retina_seg.imaging.margin_text import has_margin_text
from napari_retina_seg.imaging.phantom import phantom_bscan


def photograph(seed=0):
    """Return a round field with vessels on black."""
    picture = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(picture, (320, 240), 225, (40, 90, 170), -1)
    rng = np.random.default_rng(seed)
    for x, y in rng.integers(120, 360, (20, 2)).tolist():
        cv2.line(picture, (320, 240), (x + 60, y), (30, 50, 120), 3)
    return picture


def write(picture, at, color=(255, 255, 255), words="Mueller, Hans", scale=0.6):
    written = np.ascontiguousarray(picture.copy())
    cv2.putText(written, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)
    return written


@pytest.mark.parametrize("at", [(10, 20), (480, 20), (10, 470), (500, 470)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_name_in_any_corner_is_noticed(at, kind):
    written = write(photograph(), at, words="Smith 1965")
    assert has_margin_text(written.astype(kind))
    assert has_margin_text(written.max(axis=2))
    paper = 255 - written  # black on white, as of a printed page
    assert has_margin_text(paper)


def test_a_name_on_a_scan_is_noticed():
    scan = phantom_bscan(1, 496, 512).image.pixels
    assert has_margin_text(write(scan, (10, 480)))


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_without_text_is_not_flagged(seed):
    assert not has_margin_text(photograph(seed))
    assert not has_margin_text(phantom_bscan(seed, 240, 320).image.pixels)


def test_few_letters_and_shapes_of_several_sizes_are_no_text():
    assert not has_margin_text(write(photograph(), (10, 20), words="OD"))
    spots = photograph()
    for place, radius in enumerate((2, 6, 3, 9, 2, 7)):
        cv2.circle(spots, (20 + 30 * place, 20), radius, (255, 255, 255), -1)
    assert not has_margin_text(spots)
    assert not has_margin_text(np.zeros((10, 500), np.uint8))
