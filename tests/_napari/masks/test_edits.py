"""One change is one step of napari's own history, and nothing paints over a locked class."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_retina_seg._napari.masks.edits import EditResult, change, lock, locked
from napari_retina_seg.types.errors import RetinaSegError


@pytest.fixture
def mask():
    data = np.zeros((40, 50), np.uint8)
    data[10:20] = 1
    data[20:30] = 2
    return Labels(data)


def test_a_change_is_one_step(mask):
    before = mask.data.copy()
    wanted = before.copy()
    wanted[5:25, 10:40] = 3
    assert change(mask, wanted) == EditResult(20 * 30, 0)
    assert np.array_equal(mask.data, wanted)
    mask.undo()
    assert np.array_equal(mask.data, before)
    mask.redo()
    assert np.array_equal(mask.data, wanted)


def test_subscribers_see_the_change(mask):
    seen = []
    mask.events.paint.connect(lambda _event: seen.append(mask.data.sum()))
    change(mask, np.ones(mask.data.shape, np.uint8))
    assert seen == [40 * 50]


def test_what_changes_nothing_is_no_step(mask):
    assert change(mask, mask.data.copy()) == EditResult(0, 0)
    assert not mask._undo_history


@pytest.mark.parametrize(
    "where", [(), (1,), (slice(1, 3),), (2, slice(3, 9), slice(4, 7)), (-1, 5)]
)
def test_any_part_of_a_volume(where):
    layer = Labels(np.zeros((4, 12, 14), np.uint8))
    wanted = layer.data.copy()
    wanted[where] = np.random.default_rng(0).integers(0, 5, wanted[where].shape)
    change(layer, wanted[where].copy(), where)
    assert np.array_equal(layer.data, wanted)
    layer.undo()
    assert not layer.data.any()


def test_a_locked_class_stays(mask):
    lock(mask, {2})
    assert locked(mask) == {2}
    assert change(mask, np.full(mask.data.shape, 5, np.uint8)) == EditResult(30 * 50, 10 * 50)
    assert (mask.data[20:30] == 2).all()
    lock(mask, ())
    assert change(mask, np.zeros(mask.data.shape, np.uint8)).kept == 0
    assert not mask.data.any()


def test_napari_paints_over_no_locked_class(mask):
    lock(mask, {1})
    mask.brush_size = 30
    mask.paint((15, 25), 3)
    mask.fill((12, 3), 4)
    mask.paint_polygon([[2, 2], [2, 40], [35, 40], [35, 2]], 5)
    mask.paint((15, 25), 0)
    assert (mask.data[10:20] == 1).all()
    assert (mask.data[21:30, 4:6] == 5).all()
    mask.undo()
    assert (mask.data[10:20] == 1).all()


def test_an_unlocked_mask_keeps_naparis_own_painting(mask):
    lock(mask, {1})
    lock(mask, ())
    assert mask._apply_mask_to_data.__func__ is Labels._apply_mask_to_data


def test_a_mask_that_may_not_be_painted_is_left_alone(mask):
    mask.editable = False
    with pytest.raises(RetinaSegError, match="read-only"):
        change(mask, np.zeros(mask.data.shape, np.uint8))


def test_a_change_of_another_shape_is_refused(mask):
    with pytest.raises(RetinaSegError, match=r"\(40, 50\)"):
        change(mask, np.zeros((40, 51), np.uint8))
