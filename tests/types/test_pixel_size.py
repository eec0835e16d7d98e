import numpy as np
import pytest

from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Length, Origin, Placement, RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import (
    SLICE_UM,
    describe_spacing,
    is_print,
    parse_spacing,
    plausible_um,
    state_spacing,
    user_stated,
    with_stated_spacing,
)


def lengths(spacing):
    return spacing.slice.um, spacing.axial.um, spacing.lateral.um


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.87,11.6", (None, 3.87, 11.6)), (" 3.87 , 11.6 ,120", (120, 3.87, 11.6))],
)
def test_a_typed_size_is_stated_by_the_user(text, expected):
    spacing = parse_spacing(text)
    assert lengths(spacing) == expected
    assert spacing.axial.origin is Origin.USER


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3.87", "received 1"),
        ("1,2,3,4", "received 4"),
        ("3.87;11.6", "AXIAL,LATERAL"),
        ("", "AXIAL,LATERAL"),
        ("a,b", "AXIAL,LATERAL"),
        ("0,11", "axial pixel size is 0 µm"),
        ("-3,11", "axial"),
        ("3.87,nan", "lateral"),
        ("3.87,inf", "lateral"),
        ("0.00387,0.0116", "state it in µm"),
        ("3.87,11.6,20000", "slice"),
    ],
)
def test_a_size_that_no_retina_has_is_refused(text, said):
    with pytest.raises(ImageError, match=said):
        parse_spacing(text)


def test_limits_are_part_of_what_is_plausible():
    assert plausible_um(0.1) == 0.1
    assert plausible_um(500.0) == 500
    assert plausible_um(500.1) is None
    assert plausible_um(500.1, SLICE_UM) == 500.1


def test_stated_sizes_come_before_those_of_the_file():
    placement = Placement(np.diag([0.12, 0.004, 0.0116, 1.0]))
    image = RetinaImage(
        np.zeros((2, 8, 8), np.uint8),
        spacing=Spacing.from_um(slice=120, axial=4, lateral=11.6),
        placement=placement,
    )
    changed = with_stated_spacing(image, state_spacing((3.87, 11.6)))
    assert changed.spacing == Spacing(
        Length(120, Origin.FILE), Length(3.87, Origin.USER), Length(11.6, Origin.USER)
    )
    assert np.allclose(np.diag(changed.placement.affine), (0.12, 0.00387, 0.0116, 1))


def test_a_single_image_has_no_distance_of_slices():
    image = RetinaImage(np.zeros((8, 8), np.uint8))
    changed = with_stated_spacing(image, parse_spacing("3.87,11.6,120"))
    assert lengths(changed.spacing) == (None, 3.87, 11.6)


@pytest.mark.parametrize("dpi", [72, 96, 300, 600, 1200, 2400])
def test_square_dots_of_a_usual_density_are_a_print(dpi):
    assert is_print(25_400 / dpi, 25_400 / dpi * 1.0001)


@pytest.mark.parametrize("sizes", [(11.6, 3.87), (10.0, 10.0), (5.7, 5.7)])
def test_pixels_of_a_retina_are_no_print(sizes):
    assert not is_print(*sizes)


def test_an_unknown_side_may_be_a_print():
    assert is_print(11.6, None)


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        (Spacing(), "unknown"),
        (
            Spacing.from_um(axial=3.87, lateral=11.6),
            "3.87 µm axial × 11.6 µm lateral, stated by the file",
        ),
        (
            Spacing.from_um(slice=120, axial=3.87, lateral=11.6, origin=Origin.USER),
            "3.87 µm axial × 11.6 µm lateral × 120 µm between slices, stated by the user",
        ),
        (
            Spacing(axial=Length(3.87, Origin.FILE), lateral=Length(12, Origin.USER)),
            "3.87 µm axial, stated by the file × 12 µm lateral, stated by the user",
        ),
    ],
)
def test_a_size_is_shown_with_who_stated_it(spacing, words):
    assert describe_spacing(spacing) == words


def test_of_a_spacing_the_users_part_is_taken():
    spacing = Spacing(axial=Length(3.87, Origin.FILE), lateral=Length(12, Origin.USER))
    assert user_stated(spacing) == Spacing(lateral=Length(12, Origin.USER))
