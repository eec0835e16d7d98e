"""Lines and mask are kept in step, and nothing is lost of either."""

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_retina_seg._napari.correct.between_scans import human_scans
from napari_retina_seg._napari.correct.mask_lines import MaskLines
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.annotations import copy_annotation, up_to_date
from napari_retina_seg._napari.masks.edits import EditResult, change, lock
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import from_labels
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import OCT_LAYERS

ROWS = 96
SCAN = phantom_bscan(rows=ROWS, columns=128)
VOLUME = phantom_volume(slices=4, rows=ROWS, columns=64)


def mask(phantom=SCAN, **known) -> Labels:
    layer = Labels(phantom.labels.copy())
    layer.metadata[KEY] = MaskInfo("scan", OCT_LAYERS, **known)
    return layer


def kept(layer):
    return layer.metadata[KEY].boundaries


def lower(by):
    """Return a way to move all lines, in the columns 20 to 39."""

    def way(heights):
        moved = heights.copy()
        moved[:, 20:40] += np.float32(by)
        return moved

    return way


def test_looking_at_a_mask_changes_nothing_of_it():
    layer = mask()
    np.testing.assert_array_equal(draw(MaskLines(layer).at(()), ROWS), SCAN.labels)
    assert kept(layer) is None


def test_older_lines_give_way_to_the_mask():
    layer = mask(boundaries=SCAN.heights + 30)
    np.testing.assert_array_equal(draw(MaskLines(layer).at(()), ROWS), SCAN.labels)


def test_steps_back_and_forth_bring_the_lines_to_where_they_were():
    layer = mask(boundaries=SCAN.heights)
    lines, states = MaskLines(layer), [SCAN.heights]
    for by in (3.25, 0.75, -6.5):
        lines.edit((), lower(by))
        states.append(lines.at(()))
    for expected in reversed(states[:-1]):
        layer.undo()
        np.testing.assert_array_equal(lines.at(()), expected)
    for expected in states[1:]:
        layer.redo()
        np.testing.assert_array_equal(lines.at(()), expected)
    np.testing.assert_array_equal(kept(layer), states[-1])


def test_undoing_brings_back_what_no_pixel_shows():
    layer = mask(boundaries=SCAN.heights)
    lines = MaskLines(layer)
    sure = (np.abs(SCAN.heights % 1 - 0.5) > 0.1).all(axis=0)
    shifted = SCAN.heights + np.where(sure, np.float32(0.05), np.float32(0))
    moved = shifted.copy()
    moved[:, 20:40] += 6
    unseen = sure & (draw(shifted, ROWS) == SCAN.labels).all(axis=0)
    unseen[20:40] = False
    assert unseen.any(), "columns whose lines differ while the pixels are the same"
    lines.edit((), lambda _: moved)
    layer.undo()
    np.testing.assert_array_equal(lines.at(()), SCAN.heights)
    layer.redo()
    np.testing.assert_array_equal(lines.at(()), moved)


def test_undoing_beside_what_was_painted_brings_back_the_columns_that_moved():
    layer = mask(boundaries=SCAN.heights)
    lines = MaskLines(layer)
    lines.edit((), lower(6))
    painted = SCAN.labels.copy()
    painted[:8, 60:64] = 5  # by another tool, that also takes the columns 20 to 39 back
    change(layer, painted)
    np.testing.assert_array_equal(lines.at(())[:, 20:40], SCAN.heights[:, 20:40])


def test_columns_in_which_no_line_moves_stay_as_they_are_painted():
    layer = mask(boundaries=SCAN.heights)
    change(layer, np.full((3, 4), 5, np.uint8), (slice(2, 5), slice(60, 64)))
    MaskLines(layer).edit((), lower(3))
    assert (layer.data[2:5, 60:64] == 5).all()
    assert (layer.data[:, 20:40] != SCAN.labels[:, 20:40]).any()


def test_what_moves_nothing_is_no_step():
    layer = mask(boundaries=SCAN.heights)
    assert MaskLines(layer).edit((), lambda heights: heights) == EditResult(0, 0)
    assert not layer._undo_history


def test_lines_stop_at_what_is_locked():
    layer = mask(boundaries=SCAN.heights)
    lock(layer, {3})
    lines = MaskLines(layer)
    done = lines.edit((), lower(4))
    assert done.kept
    assert ((SCAN.labels == 3) <= (layer.data == 3)).all()
    heights = lines.at(())
    assert (np.diff(heights, axis=0) >= 0).all()
    # No lines can say what is locked amid what moved; these say it no worse than lines read anew.
    read = from_labels(layer.data, len(heights))
    wrong, wrong_if_read = ((draw(each, ROWS) != layer.data).sum() for each in (heights, read))
    assert 0 < wrong <= wrong_if_read


def test_a_mask_that_may_not_be_changed_keeps_its_lines():
    layer = mask(boundaries=SCAN.heights)
    layer.editable = False
    lines = MaskLines(layer)
    with pytest.raises(RetinaSegError, match="read-only"):
        lines.edit((), lower(4))
    np.testing.assert_array_equal(lines.at(()), SCAN.heights)


def test_lines_set_by_other_code_are_adopted():
    layer = mask(boundaries=SCAN.heights)
    lines = MaskLines(layer)
    moved = SCAN.heights + np.float32(4.25)
    layer.metadata[KEY] = replace(layer.metadata[KEY], boundaries=moved)
    change(layer, draw(moved, ROWS))
    np.testing.assert_array_equal(lines.at(()), moved)


def test_of_a_volume_one_slice_moves_and_the_lines_of_all_are_kept():
    layer = mask(VOLUME, boundaries=VOLUME.heights)
    lines = MaskLines(layer)
    lines.edit((2,), lower(5))
    others = [0, 1, 3]
    np.testing.assert_array_equal(layer.data[others], VOLUME.labels[others])
    assert kept(layer)[others].tobytes() == VOLUME.heights[others].tobytes()
    np.testing.assert_array_equal(kept(layer)[2], lines.at((2,)))


def test_a_project_keeps_lines_between_pixels():
    viewer, layer = ViewerModel(), mask(VOLUME, boundaries=VOLUME.heights)
    viewer.add_layer(layer)
    lines = MaskLines(layer)
    lines.edit((2,), lower(5.3))
    annotation = up_to_date(copy_annotation(viewer, layer))
    np.testing.assert_array_equal(annotation.boundaries, lines.known())
    moved = VOLUME.heights[2, :, 20:40] + np.float32(5.3)
    np.testing.assert_array_equal(annotation.boundaries[2, :, 20:40], moved)


def test_axes_of_the_viewer_are_none_of_the_lines():
    layer = Labels(VOLUME.labels[np.newaxis].copy())
    layer.metadata[KEY] = MaskInfo("scan", OCT_LAYERS, boundaries=VOLUME.heights)
    lines = MaskLines(layer)
    np.testing.assert_array_equal(lines.at((0, 2)), VOLUME.heights[2])
    lines.edit((0, 2), lower(5))
    assert kept(layer).shape == VOLUME.heights.shape


def test_the_mask_of_one_slice_keeps_its_lines_until_another_is_drawn():
    labels = np.zeros_like(VOLUME.labels)
    labels[1] = VOLUME.labels[1]
    layer = Labels(labels)
    layer.metadata[KEY] = MaskInfo(
        "scan", OCT_LAYERS, None, VOLUME.labels[1], VOLUME.heights[1], index=1
    )
    lines = MaskLines(layer)
    np.testing.assert_array_equal(lines.at((1,)), VOLUME.heights[1])
    assert np.isnan(lines.at((2,))).all()
    assert kept(layer) is layer.metadata[KEY].boundaries
    lines.edit((2,), lambda _: VOLUME.heights[2])
    np.testing.assert_array_equal(layer.data[1:3], VOLUME.labels[1:3])
    np.testing.assert_array_equal(kept(layer)[1:3], VOLUME.heights[1:3])
    np.testing.assert_array_equal(human_scans(layer), [False, False, True, False])


def test_of_a_mask_that_no_model_drew_all_that_is_there_is_a_persons():
    labels = VOLUME.labels.copy()
    labels[2] = 0
    layer = Labels(labels)
    layer.metadata[KEY] = MaskInfo("scan", OCT_LAYERS)
    np.testing.assert_array_equal(human_scans(layer), [True, True, False, True])
