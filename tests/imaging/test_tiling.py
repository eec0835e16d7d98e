from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from napari_retina_seg.imaging.tiling import pad_to_multiple, tiles


@given(
    grid=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    size=st.integers(12, 40),
    overlap=st.integers(0, 8),
)
def test_the_weights_of_all_tiles_sum_to_one(grid, size, overlap) -> None:
    total = np.zeros(grid)
    for tile in tiles(grid, (size, size), overlap):
        assert tile.weight.shape == total[tile.rows, tile.columns].shape
        assert max(tile.weight.shape) <= size
        total[tile.rows, tile.columns] += tile.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@example(cells=33, size=16, step=64, overlap=96)  # of a network that halves its input six times
@given(
    cells=st.integers(1, 60),
    size=st.integers(5, 12),
    step=st.integers(1, 6),
    overlap=st.integers(0, 12),
)
def test_tiles_begin_at_steps_and_overlap_enough(cells, size, step, overlap) -> None:
    overlap = min(overlap, (size - 2) * step)
    pieces = list(tiles((cells * step, step), (size * step, step), overlap, (step, step)))
    spans = [(piece.rows.start, piece.rows.stop) for piece in pieces]
    assert all(start % step == 0 for start, _ in spans)
    assert spans[-1][1] == cells * step
    for (_, end), (start, _) in pairwise(spans):
        assert end - start >= overlap


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 16))
def test_padding_keeps_the_image_and_reaches_the_multiple(rows, columns, step) -> None:
    image = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns, 1)
    padded = pad_to_multiple(image, (step, 2 * step))
    assert padded.shape[0] % step == 0
    assert padded.shape[1] % (2 * step) == 0
    np.testing.assert_array_equal(padded[:rows, :columns], image)
