"""What can't be in a mask of layers is found where it is, and what can be is not."""

import numpy as np
import pytest

from napari_retina_seg.editing.boundaries import move, pull
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.editing.open_places import (
    describe_places,
    find_open_places,
    find_pushed_away,
    implausible_end,
    implausible_jump,
)
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

SCAN = phantom_bscan(seed=1, rows=496, columns=512)
ROWS, COLUMNS = SCAN.labels.shape
TOP, BOTTOM = SCAN.heights[0], SCAN.heights[-1]


def redrawn(line, columns, heights):
    """Return the mask after a line was brought to these heights, as a tool does it."""
    wanted = np.full(COLUMNS, np.nan, np.float32)
    wanted[columns] = heights
    return draw(move(SCAN.heights, line, wanted, ROWS), ROWS)


def edited(rows, columns, value):
    labels = SCAN.labels.copy()
    labels[rows, columns] = value
    return labels


def erased(value, columns):
    labels = SCAN.labels.copy()
    part = labels[:, columns]
    part[part == value] = 0
    return labels


FAULTS = {
    "a line dropped in one column": (redrawn(0, [200], 10), 200, 200, "jumps"),
    "a line dropped at the left edge": (redrawn(0, [0], 10), 0, 1, "jumps"),
    "the deepest line at the innermost": (
        redrawn(7, slice(100, 400), TOP[100:400]),
        *(100, 399, "no layer is drawn"),
    ),
    "the deepest line near the innermost": (
        redrawn(7, slice(100, 400), TOP[100:400] + 12),
        *(100, 399, "most layers are missing"),
    ),
    "no layers": (edited(slice(None), slice(300, 312), 0), 300, 311, "no layer is drawn"),
    "no layers at the right": (edited(slice(None), slice(500, 512), 0), 500, 511, "no layer"),
    "one layer erased": (erased(5, slice(60, 70)), 60, 69, "out of order or in pieces"),
    "the innermost layer erased": (erased(1, slice(20, 120)), 20, 119, "RNFL is missing"),
    "the deepest layer erased": (erased(7, slice(400, 410)), 400, 409, "RPE is missing"),
    "a blob in the vitreous": (edited(slice(5, 9), slice(30, 34), 3), 30, 33, "in pieces"),
    "one pixel in the vitreous": (edited(2, 77, 7), 77, 77, "in pieces"),
    "a blob in the choroid": (edited(slice(-9, -4), slice(0, 3), 1), 0, 2, "in pieces"),
    "an island in a layer": (
        edited(slice(int(TOP[256]) + 40, int(TOP[256]) + 43), slice(255, 259), 1),
        *(255, 258, "out of order"),
    ),
    "a hole": (
        edited(slice(int(TOP[90]) + 9, int(TOP[90]) + 12), slice(88, 92), 0),
        *(88, 91, "in pieces"),
    ),
    "a spike": (redrawn(0, [150, 151], TOP[150] - 14), 150, 151, "ILM jumps"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_can_not_be_is_found_where_it_is(name):
    labels, first, last, text = FAULTS[name]
    places = find_open_places(labels, OCT_LAYERS)
    assert any(text in place.text for place in places), places
    assert min(place.first for place in places) in range(first - 3, first + 1)
    assert max(place.last for place in places) in range(last, last + 4)
    place = next(place for place in places if text in place.text)
    assert 0 <= place.row < ROWS
    assert f" in {places[0].where}" in describe_places(places)


@pytest.mark.parametrize(
    ("line", "offset", "lost"), [(3, -45, "INL"), (2, 45, "INL"), (4, -60, "OPL")]
)
def test_a_layer_that_was_pulled_over_is_missing_beside_the_fovea(line, offset, lost):
    labels = redrawn(line, slice(None), pull(SCAN.heights[line], 110, offset, 40))
    places = find_open_places(labels, OCT_LAYERS)
    assert f"{lost} is missing" in [place.text for place in places]
    assert all(70 <= place.first <= place.last <= 150 for place in places)


def test_the_row_of_a_blob_is_where_the_blob_is():
    (place,) = find_open_places(edited(slice(5, 9), slice(30, 34), 3), OCT_LAYERS)
    assert place.row == 5
    assert describe_places([place]) == ("Layers are out of order or in pieces in columns 30 to 33.")


def thinning(line, by):
    """Return the mask with a layer that thins out towards a column, as in a fovea."""
    distance = np.abs(np.arange(COLUMNS) - 256) * 0.15
    heights = SCAN.heights.copy()
    heights[line + 1 :] -= by
    upper = heights[line] + np.maximum(distance - 3, 0)
    heights[line + 1] = np.minimum(heights[line + 1], upper)
    return draw(np.maximum.accumulate(heights, axis=0), ROWS)


FINE = {
    "what a person drew": (SCAN.labels, None),
    "a layer that thins out": (thinning(0, 0), None),
    "a retina that is tilted": (
        draw(SCAN.heights + np.linspace(-80, 80, COLUMNS, dtype=np.float32), ROWS),
        None,
    ),
    "no layers where there is no data": (
        edited(slice(None), slice(0, 40), 0),
        np.broadcast_to(np.arange(COLUMNS) < 40, (ROWS, COLUMNS)),
    ),
    "layers that are marked as questionable": (
        erased(5, slice(60, 70)),
        np.broadcast_to((np.arange(COLUMNS) >= 60) & (np.arange(COLUMNS) < 70), (ROWS, COLUMNS)),
    ),
    "an image without data": (np.zeros((ROWS, COLUMNS), np.uint8), np.ones((ROWS, COLUMNS), bool)),
}


@pytest.mark.parametrize("name", FINE)
def test_what_can_be_is_no_finding(name):
    assert find_open_places(FINE[name][0], OCT_LAYERS, FINE[name][1]) == ()


def test_a_margin_without_data_excuses_nothing_in_the_layers():
    ignore = np.zeros((ROWS, COLUMNS), bool)
    ignore[:4] = True
    assert find_open_places(FAULTS["no layers"][0], OCT_LAYERS, ignore)


def test_vessels_may_be_anywhere():
    labels = np.zeros((40, 40), np.uint8)
    assert find_open_places(labels, FUNDUS_VESSELS) == ()
    labels[3, 3] = labels[20:22, 5:30] = 1
    assert find_open_places(labels, FUNDUS_VESSELS) == ()


def test_of_a_volume_the_slice_is_named_and_one_not_worked_on_is_no_finding():
    labels = phantom_volume(seed=1, slices=4, rows=96, columns=128).labels.copy()
    assert find_open_places(labels, OCT_LAYERS) == ()
    labels[1] = 0
    assert find_open_places(labels, OCT_LAYERS) == ()
    labels[3, :, 20:30] = 0
    (place,) = find_open_places(labels, OCT_LAYERS)
    assert (place.slice, place.first, place.last) == (3, 20, 29)
    assert describe_places([place]) == "No layer is drawn in columns 20 to 29 of slice 3."
    labels[:] = 0
    (place,) = find_open_places(labels, OCT_LAYERS)
    assert place.text == "no layer is drawn"


def test_a_slice_whose_layers_were_all_erased_is_an_open_place():
    predicted = phantom_volume(seed=1, slices=4, rows=96, columns=128).labels
    labels, parent = predicted.copy(), predicted.copy()
    labels[1] = 0
    parent[1:] = 0
    (place,) = find_open_places(labels, OCT_LAYERS, before=[parent, predicted])
    assert (place.slice, place.text) == (1, "no layer is drawn")
    assert find_open_places(labels, OCT_LAYERS, before=[parent]) == ()
    marked = np.zeros(labels.shape, bool)
    marked[1] = True
    assert find_open_places(labels, OCT_LAYERS, marked, before=[predicted]) == ()


@pytest.mark.parametrize("rows", [96, 248, 496, 1024])
@pytest.mark.parametrize("seed", range(3))
def test_the_grid_of_the_image_makes_no_finding(rows, seed):
    labels = phantom_bscan(seed=seed, rows=rows, columns=128).labels
    assert find_open_places(labels, OCT_LAYERS) == ()


def test_only_a_jump_that_an_edit_makes_is_its_jump():
    heights = SCAN.heights.copy()
    assert implausible_jump(heights, heights, ROWS) is None
    heights[0, 200:] -= 60
    assert implausible_jump(SCAN.heights, heights, ROWS) == (0, 199)
    further = heights.copy()
    further[0, 300:] -= 1
    assert implausible_jump(heights, further, ROWS) is None, "the jump was there"
    nothing = np.full_like(heights, np.nan)
    assert implausible_jump(nothing, nothing, ROWS) is None
    assert implausible_jump(nothing, SCAN.heights, ROWS) is None


@pytest.mark.parametrize(
    ("start", "end", "goes_on", "is_far"),
    [
        (0, 60, False, True),
        (60, 0, False, True),
        (0, -60, True, True),
        (60, 0, True, False),  # back to its course
        (60, 62, False, False),  # displaced all along
        (60, 62, True, False),
        (0, 12, False, False),
        (np.nan, 60, False, False),  # no layers are drawn there
        (0, np.nan, True, False),
    ],
)
def test_a_segment_that_leaves_the_course_of_its_line_is_implausible(start, end, goes_on, is_far):
    assert implausible_end(SCAN.heights, ROWS, start, end, goes_on=goes_on) is is_far


def test_a_layer_is_pushed_away_where_an_edit_lets_it_vanish_at_once():
    line, columns = 3, np.arange(200, 260)
    beside = SCAN.heights[line + 1, columns]
    wanted = np.full(COLUMNS, np.nan, np.float32)
    wanted[columns] = beside + 2
    moved = move(SCAN.heights, line, wanted, ROWS)
    assert find_pushed_away(SCAN.heights, moved, ROWS) == (line, 60)
    assert find_pushed_away(moved, moved, ROWS) is None, "it was gone before"
    wanted[columns[4:]] = np.nan
    assert find_pushed_away(SCAN.heights, move(SCAN.heights, line, wanted, ROWS), ROWS) is None
    wanted[columns] = beside - 3
    assert find_pushed_away(SCAN.heights, move(SCAN.heights, line, wanted, ROWS), ROWS) is None
    nothing = np.full_like(SCAN.heights, np.nan)
    assert find_pushed_away(nothing, nothing, ROWS) is None
    assert find_pushed_away(nothing, SCAN.heights, ROWS) is None
