"""Lines of a device as a mask."""

import numpy as np

from napari_retina_seg.imaging.device_lines import draw_lines
from napari_retina_seg.types.acquisition import DeviceLines

HEIGHTS = np.array([[[2.0] * 6, [9.0] * 6, [5.0] * 6]], np.float32)  # as Heidelberg stores them


def test_layers_lie_between_the_lines_from_the_vitreous_outwards():
    scheme, mask = draw_lines(DeviceLines(("ILM", "BM", "RNFL"), HEIGHTS), 12)
    assert scheme.names == ("Background", "ILM to RNFL", "RNFL to BM")
    assert [surface.name for surface in scheme.surfaces] == ["ILM", "RNFL", "BM"]
    assert scheme.surfaces[2].code == "DCM:128300"
    assert mask.labels[0, :, 3].tolist() == [0] * 2 + [1] * 3 + [2] * 4 + [0] * 3
    np.testing.assert_array_equal(mask.boundaries[0, :, 0], [2, 5, 9])
    assert mask.ignore is None


def test_a_column_without_a_line_is_ignored():
    heights = HEIGHTS[0].copy()
    heights[2, 1] = np.nan
    _, mask = draw_lines(DeviceLines(("ILM", "BM", "RNFL"), heights), 12)
    assert mask.ignore.all(axis=0).tolist() == [False, True, False, False, False, False]
    assert not mask.labels[:, 1].any()
    assert np.isnan(mask.boundaries[1, 1])
    assert mask.boundaries[0, 1] == 2  # what is known stays known


def test_one_line_bounds_no_layer():
    assert draw_lines(DeviceLines(("ILM",), HEIGHTS[0, :1]), 12) is None
