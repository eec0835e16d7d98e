from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ImageError

LABELS = np.arange(12, dtype=np.uint8).reshape(3, 4)
VOLUME = np.zeros((2, 3, 4), np.uint8)
LINES = np.array([[0.5, np.nan, 1, 2]], np.float32)
MARKED = LABELS > 9


@pytest.mark.parametrize(
    ("fields", "received"),
    [
        ({"labels": LABELS.astype(np.int32)}, "int32"),
        ({"labels": LABELS[0]}, r"\(4,\)"),
        ({"labels": LABELS, "ignore": MARKED[:, :1]}, r"\(3, 1\)"),
        ({"labels": LABELS, "ignore": LABELS}, "uint8"),
        ({"labels": LABELS, "boundaries": LINES[:, 1:]}, r"\(1, 3\)"),
        ({"labels": LABELS, "boundaries": LINES.astype(float)}, "float64"),
        ({"labels": VOLUME, "boundaries": LINES}, r"\(1, 4\)"),
        ({"labels": VOLUME, "probabilities": np.zeros((2, 5, 4, 3))}, r"\(2, 5, 4, 3\)"),
    ],
)
def test_an_annotation_checks_shapes_and_types(fields, received):
    with pytest.raises(ImageError, match=received):
        Annotation(**fields)


def test_files_hold_255_where_pixels_are_ignored():
    assert Annotation(LABELS, ignore=MARKED).raster()[2].tolist() == [8, 9, 255, 255]
    assert Annotation(LABELS).raster() is LABELS


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": LABELS + np.uint8(1)},
        {"boundaries": LINES + np.float32(1)},
        {"boundaries": None},
        {"ignore": ~MARKED},
        {"ignore": None},
    ],
)
def test_annotations_are_equal_if_all_their_arrays_are(changes):
    one = Annotation(LABELS, LINES, MARKED)
    assert one.equals(replace(one, boundaries=LINES.copy()))
    assert not one.equals(replace(one, **changes))
