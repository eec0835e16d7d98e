import numpy as np
import pytest

from napari_retina_seg.imaging.agreement_picture import (
    AGREED,
    DRAWN,
    INVENTED,
    MISSED,
    OUTSIDE,
    REFERENCE,
    draw_agreement,
    draw_boundaries,
    draw_outlines,
)

BLACK = np.zeros((20, 30), np.uint8)


def colors_in(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(color) for color in picture.reshape(-1, 3).tolist()}


def test_agreement_is_white_misses_are_blue_and_inventions_red() -> None:
    reference = np.array([[0, 0, 1, 1, 1]], np.uint8)
    drawn = np.array([[0, 1, 0, 1, 0]], np.uint8)
    inside = np.array([[True, True, True, True, False]])
    picture = draw_agreement(reference, drawn, inside)
    assert picture.tolist() == [[[0, 0, 0], [*INVENTED], [*MISSED], [*AGREED], [*OUTSIDE]]]
    assert AGREED == (255, 255, 255)
    assert max(MISSED) == MISSED[2]
    assert max(INVENTED) == INVENTED[0]


def test_boundaries_lie_at_their_heights() -> None:
    reference, drawn = np.full((1, 30), 5.5), np.full((1, 30), 12.5)
    picture = draw_boundaries(BLACK, reference, drawn)
    for row, color in ((5, REFERENCE), (12, DRAWN)):
        strength = picture[row - 2 : row + 3, 15].astype(float) @ color
        assert strength.argmax() == 2
        assert strength[1] == pytest.approx(strength[3], rel=0.2)
        shown = picture[row, 15] / np.linalg.norm(picture[row, 15])
        np.testing.assert_allclose(shown, color / np.linalg.norm(color), atol=0.02)
    assert not picture[[2, 8, 15]].any()


def test_a_boundary_is_open_where_it_is_unknown() -> None:
    reference = np.full((1, 30), 5.5)
    reference[0, 10:20] = np.nan
    picture = draw_boundaries(BLACK, reference, np.full((1, 30), np.nan))
    assert picture[5, :9].any(axis=1).all()
    assert not picture[:, 11:19].any()
    assert picture[5, 21:].any(axis=1).all()


def test_outlines_of_both_lie_over_the_image() -> None:
    image = np.full((20, 30, 3), 100, np.uint8)
    before = image.copy()
    reference, drawn = BLACK.copy(), BLACK.copy()
    reference[5:10, 5:10] = 2
    drawn[12:15] = 1
    picture = draw_outlines(image, reference, drawn)
    assert colors_in(picture) == {(100, 100, 100), REFERENCE, DRAWN}
    assert (picture[5, 5:10] == REFERENCE).all()
    assert (picture[12] == DRAWN).all()
    np.testing.assert_array_equal(image, before)
