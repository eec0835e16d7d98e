import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_retina_seg.editing.consistency import draw, reconcile
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels

ROWS = 40


@st.composite
def ordered_heights(draw: st.DrawFn, boundaries: int = 4, columns: int = 12) -> np.ndarray:
    """Ordered lines with columns that have none."""
    values = hnp.arrays(np.float32, (boundaries, columns), elements=st.floats(0, ROWS, width=32))
    heights = np.sort(draw(values), axis=0)
    heights[:, draw(hnp.arrays(bool, columns, elements=st.booleans()))] = np.nan
    return heights


@given(ordered_heights())
def test_lines_that_draw_their_mask_are_kept_to_the_bit(heights: np.ndarray) -> None:
    np.testing.assert_array_equal(reconcile(heights, draw(heights, ROWS)), heights)


@given(ordered_heights(), ordered_heights())
def test_lines_are_read_anew_only_where_the_mask_changed(
    heights: np.ndarray, others: np.ndarray
) -> None:
    labels = draw(others, ROWS)
    labels[:, ::2] = draw(heights, ROWS)[:, ::2]
    result = reconcile(heights, labels)
    np.testing.assert_array_equal(draw(result, ROWS), labels)
    np.testing.assert_array_equal(result[:, ::2], heights[:, ::2])


@given(
    ordered_heights(),
    st.integers(0, 3),
    st.integers(0, 11),
    st.integers(0, ROWS),
    st.integers(1, 9),
)
def test_a_stroke_moves_no_column_and_no_line_beside_it(
    heights: np.ndarray, value: int, column: int, top: int, size: int
) -> None:
    labels = draw(heights, ROWS)
    seen = labels.any(axis=0)
    labels[top : top + size, column : column + 3] = value
    result = reconcile(heights, labels)
    beside = np.ones(heights.shape, bool)
    beside[:, column : column + 3] = False
    rows = np.rint(heights)
    beside |= (seen & labels.any(axis=0)) & ((rows < top) | (rows > top + size))
    assert result[beside].tobytes() == heights[beside].tobytes()
    known = ~np.isnan(result).any(axis=0)
    assert (np.diff(result[:, known], axis=0) >= 0).all()
    wrong, wrong_before = ((draw(each, ROWS) != labels).sum() for each in (result, heights))
    assert wrong <= wrong_before


def test_a_stroke_over_one_boundary_moves_it_and_leaves_the_others_between_pixels() -> None:
    phantom = phantom_bscan(rows=256, columns=384)
    labels, line = phantom.labels.copy(), 3
    bottom = int(np.rint(phantom.heights[line, 100:110]).max())
    painted = slice(bottom - 1, bottom + 2), slice(100, 110)
    labels[painted] = line
    result = reconcile(phantom.heights, labels)
    np.testing.assert_array_equal(draw(result, 256), labels)
    np.testing.assert_array_equal(result[line, 100:110], bottom + 2)
    others = np.arange(8) != line
    assert result[others].tobytes() == phantom.heights[others].tobytes()


def test_unknown_lines_are_read_from_the_mask_of_each_slice() -> None:
    phantom = phantom_volume(slices=3, rows=96, columns=64)
    lines = reconcile(np.full_like(phantom.heights, np.nan), phantom.labels)
    for height, labels in zip(lines, phantom.labels, strict=True):
        np.testing.assert_array_equal(draw(height, 96), labels)
    np.testing.assert_array_equal(reconcile(phantom.heights, phantom.labels), phantom.heights)


def test_lines_do_not_run_after_a_stray_stroke() -> None:
    phantom = phantom_bscan(rows=96, columns=64)
    labels = phantom.labels.copy()
    labels[:4, 5:20] = 3  # in the vitreous
    np.testing.assert_array_equal(reconcile(phantom.heights, labels), phantom.heights)


def test_lines_follow_what_is_painted_even_if_a_pixel_was_left_out() -> None:
    phantom = phantom_bscan(rows=96, columns=64)
    top = int(phantom.heights[0].min()) - 12
    labels = phantom.labels.copy()
    labels[top:, 30][labels[top:, 30] == 0] = 1
    last = int(np.rint(phantom.heights[-1, 30]))
    labels[last:, 30] = 0
    labels[top + 5, 30] = 0
    assert reconcile(phantom.heights, labels)[0, 30] == top


@given(ordered_heights())
def test_what_is_drawn_is_what_all_masks_are_drawn_by(heights: np.ndarray) -> None:
    seen = ~np.isnan(heights).any(axis=0)
    labels = draw(heights, ROWS)
    np.testing.assert_array_equal(labels[:, seen], to_labels(heights[:, seen], ROWS))
    assert not labels[:, ~seen].any()
