"""Masks are told from images by few values that lie in areas."""

import numpy as np
import pytest

from napari_retina_seg.imaging.class_values import count_class_values
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import RetinaImage


@pytest.fixture(scope="module")
def phantom():
    return phantom_bscan(rows=96, columns=128)


@pytest.mark.parametrize("kind", ["dark", "posterised", "four bits"])
def test_images_of_few_values_are_no_masks(phantom, kind):
    """An underexposed scan must come into a project, to be marked as ungradable."""
    pixels = phantom.image.pixels
    few = {"dark": pixels // 9, "posterised": pixels // 8 * 8, "four bits": pixels // 16 * 17}[kind]
    assert len(np.unique(few)) <= 32
    assert count_class_values(RetinaImage(few)) == 0


def test_masks_are_known_as_grey_and_as_colours(phantom):
    assert count_class_values(RetinaImage(phantom.labels)) == 8
    assert count_class_values(RetinaImage((phantom.labels > 3).astype(np.uint8) * 255)) == 2
    colors = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.uint8)
    assert count_class_values(RetinaImage(colors[phantom.labels], color=True)) == 8
