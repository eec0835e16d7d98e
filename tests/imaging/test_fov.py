import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.data import retina

from napari_retina_seg.imaging.fov import FieldOfView, FieldOrigin, detect_fov
from napari_retina_seg.types.errors import ImageError
from photographs import SIDES, Page, Scene, draw, overlap

ALIKE = 0.985
TOP_AND_BOTTOM = ((SIDES["top"], 0.86), (SIDES["bottom"], 0.86))


def photograph(rows: int, columns: int, center: tuple[float, float], radius: float) -> np.ndarray:
    """Draw a disc with darker and brighter parts, noise and a notch on its rim."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 6, (rows, columns, 3)).astype(np.uint8)
    disc = np.zeros((rows, columns), np.uint8)
    row, column = np.ogrid[:rows, :columns]
    disc[np.hypot(row - center[0], column - center[1]) < radius] = 1
    notch = (round(center[1] + radius * 0.7), round(center[0] - radius * 0.7))
    cv2.circle(disc, notch, round(radius * 0.06), 1, -1)
    shade = np.linspace(90, 220, columns)[None, :, None] * np.array([1.0, 0.5, 0.3])
    image[disc > 0] = np.broadcast_to(shade, image.shape)[disc > 0].astype(np.uint8)
    return image


@settings(max_examples=12)
@given(
    rows=st.integers(160, 500),
    radius=st.floats(0.42, 0.62),
    shift=st.floats(-0.04, 0.04),
)
def test_a_disc_is_found_whole_or_cut(rows, radius, shift) -> None:
    """Radii over half the height are cut at top and bottom."""
    columns = round(rows * 1.4)
    center = (rows * (0.5 + shift), columns * 0.5)
    fov = detect_fov(photograph(rows, columns, center, radius * rows))
    assert fov.found
    assert fov.diameter == pytest.approx(2 * radius * rows, rel=0.015, abs=3)
    assert fov.center == pytest.approx(center, abs=0.01 * rows)


def test_the_photograph_that_ships_with_scikit_image() -> None:
    fov = detect_fov(retina())
    assert fov.found
    assert fov.diameter == pytest.approx(1397, abs=8)  # measured by eye on the picture
    assert fov.mask()[703, 703]
    assert not fov.mask()[5, 5]
    assert fov.mask()[165, 1190]  # the tab at the upper right: a vessel runs through it
    assert not fov.mask()[120, 1290]


@settings(max_examples=15)
@given(
    size=st.integers(280, 900),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
)
def test_a_cut_out_has_no_disc(size, across, down) -> None:
    """Whatever part of the field it shows: there is no dark frame around it."""
    top, left = round(250 + down * (900 - size)), round(250 + across * (900 - size))
    fov = detect_fov(retina()[top : top + size, left : left + size])
    assert not fov.found
    assert fov.mask().all()


def test_the_field_of_real_photographs(shared_data) -> None:
    for name, diameter in (("chase_db1/Image_01L.jpg", 922), ("hrf/01_h.jpg", 1637)):
        image = cv2.imread(str(shared_data / name))
        assert detect_fov(image).diameter == pytest.approx(diameter, rel=0.01)


@pytest.mark.parametrize(
    "scene",
    [
        Scene(cuts=TOP_AND_BOTTOM, surround=(15, 37, 25), gap=True),
        Scene(cuts=TOP_AND_BOTTOM, surround=(30, 30, 33), noise=3.5, tab=-0.8),
        Scene(cuts=(*TOP_AND_BOTTOM, (SIDES["left"], 0.75)), surround=(21, 31, 27), light=0.6),
        Scene(cuts=TOP_AND_BOTTOM, surround=(17, 26, 20), vignette=0.25, slope=0.3),
        Scene(cuts=((SIDES["right"], 0.7),), surround=(20, 20, 20), notch=2.2),
        Scene(cuts=((0.5, 0.8),), surround=(25, 30, 25), glow=0.1),
        Scene(cuts=tuple((angle, 0.8) for angle in SIDES.values()), surround=(20, 30, 24)),
        Scene(cuts=TOP_AND_BOTTOM, surround=(20, 30, 24), caption=True),
        Scene(light=0.15, spot=True),
        Scene(light=0.2, spot=True, cuts=TOP_AND_BOTTOM, surround=(4, 6, 5)),
        Scene(grid=(300, 480), surround=(10, 10, 12)),
        Scene(grid=(340, 480), surround=(8, 14, 10), cuts=((SIDES["right"], 0.8),)),
        Scene(cuts=TOP_AND_BOTTOM, surround=(25, 25, 25), grey=True, noise=1.0),
        Scene(surround=(255, 255, 255), noise=0.5),
        Scene(quality=50, surround=(12, 20, 15), cuts=TOP_AND_BOTTOM),
        Scene(grid=(400, 600), radius=60, shift=(90, -150)),
        Scene(grid=(400, 600), radius=70, surround=(14, 25, 19), cuts=TOP_AND_BOTTOM, grey=True),
        Scene(grid=(400, 600), radius=60, shift=(-90, 150), surround=(240, 240, 240)),
    ],
    ids=[
        "cut in grey-green",
        "cut in grey, with a tab",
        "cut on three sides, dim",
        "cut, with a vignette",
        "cut at the right, with a notch",
        "cut aslant, with scattered light",
        "cut on four sides",
        "caption in the surround",
        "dark, with a bright optic disc",
        "dark, with a bright optic disc, cut",
        "cut by the frame",
        "cut by the frame, and within it",
        "grey",
        "on white paper",
        "poor JPEG",
        "small",
        "small, cut in grey",
        "small, on white paper",
    ],
)
def test_the_field_is_what_the_camera_left(scene) -> None:
    photograph, field = draw(scene)
    fov = detect_fov(photograph)
    assert overlap(fov.mask(), field) > ALIKE
    assert fov.origin is FieldOrigin.FOUND
    if len(scene.cuts) < 4:  # of a square with cut corners the width is all that shows
        assert fov.diameter == pytest.approx(2 * scene.radius, rel=0.01)


@settings(max_examples=12, deadline=None)
@given(
    sides=st.sets(st.sampled_from(sorted(SIDES)), max_size=3),
    offset=st.floats(0.68, 0.95),
    tilt=st.floats(-0.05, 0.05),
    radius=st.floats(120, 320),
    shift=st.tuples(st.floats(-10, 10), st.floats(-20, 20)),
    level=st.floats(0, 30),
    tint=st.sampled_from([(1, 1, 1), (0.5, 1, 0.7), (0.8, 1, 0.9), (1, 0.9, 0.9), (0.4, 0.5, 1)]),
    vignette=st.floats(0.4, 1),
    gap=st.booleans(),
)
@example(  # a small photograph, in which the straight shade of the vignette is no cut
    sides=set(),
    offset=0.75,
    tilt=0.0,
    radius=120.0,
    shift=(0.0, 0.5),
    level=0.0,
    tint=(1, 1, 1),
    vignette=0.4375,
    gap=False,
)
@example(  # no outline is closer to the rim than two of its large pixels
    sides={"right", "top"},
    offset=0.69071,
    tilt=0.0141,
    radius=120.0,
    shift=(10.0, -20.0),
    level=30.0,
    tint=(0.8, 1, 0.9),
    vignette=0.40192,
    gap=True,
)
def test_any_cut_in_any_dim_surround(
    sides, offset, tilt, radius, shift, level, tint, vignette, gap
) -> None:
    scene = Scene(
        grid=(round(2.2 * radius), round(2.5 * radius)),
        radius=radius,
        shift=shift,
        cuts=tuple((SIDES[side] + tilt, offset) for side in sorted(sides)),
        surround=tuple(level * part for part in tint),
        vignette=vignette,
        gap=gap,
    )
    photograph, field = draw(scene)
    fov = detect_fov(photograph)
    assert fov.found
    assert overlap(fov.mask(), field) > ALIKE


@pytest.mark.parametrize("radius", [60, 150])
@pytest.mark.parametrize(
    "page",
    [
        *(Page(band=side) for side in SIDES),
        Page(band="top", band_width=0.12, level=90),
        Page(border=0.03),
        Page(border=0.02, band="bottom", box=True),
        Page(box=True),
        Page(ruler=True),
        Page(thumbnail=True),
    ],
    ids=str,
)
def test_what_a_page_has_beside_the_photograph_is_no_retina(page, radius) -> None:
    scene = Scene(grid=(440, 560), radius=radius, shift=(10, 15), surround=(9, 12, 10), page=page)
    photograph, field = draw(scene)
    fov = detect_fov(photograph)
    assert overlap(fov.mask(), field) > ALIKE
    assert fov.diameter == pytest.approx(2 * radius, rel=0.01)


@pytest.mark.parametrize("page", [Page(box=True), Page(ruler=True), Page(band="top")])
def test_writing_without_a_photograph_is_no_field(page) -> None:
    photograph = draw(Scene(light=0.0, page=page))[0]
    assert not detect_fov(photograph).found


@pytest.mark.parametrize("corner", [0.1, 0.3])
def test_a_square_with_round_corners_is_found(corner) -> None:
    photograph, field = draw(Scene(corner=corner, surround=(12, 14, 12)))
    assert overlap(detect_fov(photograph).mask(), field) > ALIKE


def test_an_octagon_is_found() -> None:
    photograph, field = draw(Scene(cuts=tuple((k * np.pi / 4, 0.9) for k in range(8))))
    assert overlap(detect_fov(photograph).mask(), field) > ALIKE


@pytest.mark.parametrize("light", [0.1, 0.2, 0.5])
def test_the_optic_disc_of_a_dark_cut_out_is_no_field(light) -> None:
    part = retina()[300:1100, 200:1200].astype(float) * light
    cv2.circle(part, (650, 300), 70, (250, 230, 160), -1, cv2.LINE_AA)
    assert not detect_fov(part.astype(np.uint8)).found


def test_what_is_dark_inside_stays_inside() -> None:
    """A bleeding at the rim, the vessels, the fovea: a field of view has no holes."""
    photograph, field = draw(Scene(cuts=TOP_AND_BOTTOM, surround=(15, 25, 18)))
    cv2.ellipse(photograph, (240 - 150, 200), (34, 20), 0, 0, 360, (70, 22, 12), -1)
    photograph[~field] = (15, 25, 18)
    cv2.circle(photograph, (260, 240), 30, (8, 6, 5), -1)
    assert overlap(detect_fov(photograph).mask(), field) > ALIKE


@pytest.mark.parametrize("scale", [0.5, 2, 7])
def test_the_field_keeps_its_shape_at_every_size(scale) -> None:
    """From a thumbnail to 10 megapixels."""
    drawn, field = draw(Scene(cuts=TOP_AND_BOTTOM, surround=(15, 25, 18)))
    photograph = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    expected = cv2.resize(field.astype(np.float32), None, fx=scale, fy=scale) > 0.5
    fov = detect_fov(photograph)
    assert overlap(fov.mask(), expected) > ALIKE
    assert fov.diameter == pytest.approx(360 * scale, rel=0.01)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("gain", "offset"), [(1e-30, 0), (1e25, 0), (1, -1000), (1e-3, 5)])
def test_the_range_of_the_values_makes_no_difference(gain, offset) -> None:
    photograph, field = draw(Scene(cuts=TOP_AND_BOTTOM, surround=(15, 25, 18)))
    other = (photograph.astype(np.float64) * gain + offset).astype(np.float32)
    assert overlap(detect_fov(other).mask(), field) > ALIKE


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_the_type_of_the_pixels_makes_no_difference(kind) -> None:
    photograph, field = draw(Scene(cuts=TOP_AND_BOTTOM, surround=(15, 25, 18)))
    other = photograph.astype(kind) * (257 if kind == "uint16" else 1 / 255)
    assert overlap(detect_fov(other.astype(kind)).mask(), field) > ALIKE


def test_a_field_that_is_given_keeps_its_shape_and_has_the_scale_of_its_disc() -> None:
    _, mask = draw(Scene(cuts=((SIDES["left"], 0.7), (SIDES["top"], 0.8))))
    fov = FieldOfView.given(mask)
    assert fov.origin is FieldOrigin.GIVEN
    np.testing.assert_array_equal(fov.mask(), mask)
    assert fov.diameter == pytest.approx(360, rel=0.01)
    assert fov.center == pytest.approx((200, 240), abs=2)
    square = np.zeros((100, 120), bool)
    square[10:90, 20:100] = True
    assert FieldOfView.given(square).diameter == 80
    whole = FieldOfView.given(np.ones((30, 40), bool))
    assert not whole.found
    with pytest.raises(ImageError, match="The field of view is empty"):
        FieldOfView.given(np.zeros((30, 40), bool))


def test_the_margin_is_taken_off_the_rim_but_not_off_the_frame() -> None:
    _, mask = draw(Scene(grid=(300, 480)))
    fov = FieldOfView.given(mask)
    kept = fov.mask(margin=0.02)
    removed = mask & ~kept
    assert not removed[[0, -1], 230:250].any()
    width = removed[150].sum() / 2
    assert width == pytest.approx(0.02 * 360, abs=1)
    assert not (kept & ~mask).any()
