"""What other programs see of a mask in an image file."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.io.formats.raster import write_png, write_tiff
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.masks import IGNORED_COLOR
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.labels import OCT_LAYERS


@pytest.mark.parametrize(("write", "suffix"), [(write_png, "png"), (write_tiff, "tif")])
@pytest.mark.parametrize("with_ignored", [True, False])
def test_ignored_pixels_have_a_colour_of_their_own_where_there_are_any(
    write, suffix, with_ignored, tmp_path
):
    labels = np.arange(24, dtype=np.uint8).reshape(4, 6) % 8
    ignore = labels == 3 if with_ignored else None
    path = tmp_path / f"mask.{suffix}"
    write(path, MaskRecord(labels, ignore=ignore, scheme=OCT_LAYERS, name="scan"))
    with Image.open(path) as picture:
        colors = np.asarray(picture.convert("RGB"))
    for row, column in np.ndindex(labels.shape):
        value = labels[row, column]
        hidden = with_ignored and value == 3
        expected = IGNORED_COLOR if hidden else OCT_LAYERS.palette[value]
        np.testing.assert_array_equal(colors[row, column], expected)
    with Image.open(path) as picture:
        palette = np.reshape(picture.getpalette(), (-1, 3))
    assert with_ignored or not palette[IGNORE:].any()


@pytest.mark.parametrize(("shape", "axes"), [((4, 6), "YX"), ((3, 4, 6), "ZYX")])
def test_a_tiff_states_its_axes_to_other_programs(shape, axes, tmp_path):
    record = MaskRecord(np.ones(shape, np.uint8), scheme=OCT_LAYERS, name="scan")
    write_tiff(tmp_path / "m.tif", record)
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        assert tiff.shaped_metadata[0]["axes"] == axes
