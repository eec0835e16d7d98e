import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import retina

from napari_retina_seg.imaging.fov import FieldOfView, FieldOrigin
from napari_retina_seg.imaging.illumination import correct_illumination
from napari_retina_seg.imaging.preprocess import (
    FundusPreprocessing,
    OctPreprocessing,
    ResizePreprocessing,
)
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Spacing
from photographs import SIDES, Scene, draw

EVERY = [OctPreprocessing(), FundusPreprocessing(diameter=128), ResizePreprocessing(64, 48)]
grids = st.tuples(st.integers(16, 300), st.integers(16, 300))


@pytest.mark.parametrize("how", EVERY, ids=lambda how: how.kind)
@settings(max_examples=20)
@given(grid=grids, color=st.booleans(), kind=st.sampled_from(["uint8", "uint16", "float32"]))
def test_any_image_comes_back_on_its_own_grid(how, grid, color, kind) -> None:
    rng = np.random.default_rng(0)
    image = (rng.random(grid) * 200).astype(kind)
    if color:
        image = np.repeat(image[..., np.newaxis], 3, axis=2)
    prepared = how.prepare(image, Spacing())
    assert prepared.tensor.dtype == np.float32
    assert prepared.tensor.shape[:2] == prepared.geometry.working
    assert np.isfinite(prepared.tensor).all()
    assert prepared.geometry.restore(prepared.tensor[..., 0], outside=0).shape == grid


def test_a_blob_comes_back_where_it_was() -> None:
    """Through shrinking, cropping to the field of view and back, within a pixel or two."""
    image = retina().copy()
    image[700:720, 400:420] = (255, 255, 255)
    prepared = FundusPreprocessing(diameter=700).prepare(image, Spacing())
    plain = FundusPreprocessing(diameter=700).prepare(retina(), Spacing())
    changed = np.abs(prepared.tensor - plain.tensor).max(axis=2)
    restored = prepared.geometry.restore(changed, outside=0)
    rows, columns = np.nonzero(restored > restored.max() / 2)
    assert rows.mean() == pytest.approx(709.5, abs=1.5)
    assert columns.mean() == pytest.approx(409.5, abs=1.5)


def test_known_spacing_brings_a_b_scan_to_one_scale() -> None:
    scan = np.random.default_rng(0).random((1024, 512))
    spacing = Spacing.from_um(axial=1.935, lateral=11.8)
    assert OctPreprocessing().prepare(scan, spacing).geometry.working == (512, 512)


@pytest.mark.parametrize(
    ("ratio", "size"), [(0.94, 470), (0.96, 500), (1.04, 500), (1.06, 530)], ids=str
)
def test_a_scan_is_resampled_if_its_spacing_differs_by_a_twentieth(ratio, size) -> None:
    scan = np.random.default_rng(0).random((500, 500))
    how = OctPreprocessing()
    deep = Spacing.from_um(axial=ratio * how.axial_um, lateral=how.lateral_um)
    wide = Spacing.from_um(axial=how.axial_um, lateral=ratio * how.lateral_um)
    assert how.prepare(scan, deep).geometry.working == (size, 500)
    assert how.prepare(scan, wide).geometry.working == (500, size)


def test_unknown_spacing_shrinks_only_what_is_sampled_much_finer() -> None:
    rng = np.random.default_rng(0)
    usual, fine = rng.random((496, 768)), rng.random((1024, 700))
    assert OctPreprocessing().prepare(usual, Spacing()).geometry.working == (496, 768)
    assert OctPreprocessing().prepare(fine, Spacing()).geometry.working == (496, 700)


def test_two_cameras_give_one_diameter() -> None:
    how = FundusPreprocessing(diameter=300)
    full = how.prepare(retina(), Spacing()).tensor
    coarse = how.prepare(retina()[::2, ::2], Spacing()).tensor
    assert abs(full.shape[0] - coarse.shape[0]) <= 2
    assert full.shape[0] == pytest.approx(300, abs=3)


def test_an_implausible_pixel_size_is_left_alone() -> None:
    """A layer whose unit was set to µm, and whose scale was left at 1."""
    scan = np.random.default_rng(0).random((496, 768))
    for wrong in (Spacing.from_um(axial=1, lateral=1), Spacing.from_um(axial=1000, lateral=1000)):
        assert OctPreprocessing().prepare(scan, wrong).geometry.working == (496, 768)


def test_a_masked_photograph_has_the_field_of_view_of_the_whole_one() -> None:
    photograph = retina().astype(np.float32)
    masked = np.where(photograph.max(axis=2, keepdims=True) > 20, photograph, np.nan)
    how = FundusPreprocessing(diameter=300)
    field, same = (how.prepare(each, Spacing()).geometry.field for each in (photograph, masked))
    assert same.found
    assert same.diameter == pytest.approx(field.diameter, rel=0.01)
    assert same.center == pytest.approx(field.center, abs=3)


def test_colours_are_refused_by_oct_models_but_grey_in_three_channels_is_not() -> None:
    scan = np.random.default_rng(0).integers(0, 200, (64, 96), np.uint8)
    how = OctPreprocessing()
    grey = np.repeat(scan[..., np.newaxis], 3, axis=2)
    captioned = grey.copy()
    captioned[:8, :40] = (255, 0, 0)
    for image in (grey, captioned):
        assert how.prepare(image, Spacing()).tensor.shape == (64, 96, 1)
    with pytest.raises(ImageError, match="has colours"):
        how.prepare(retina(), Spacing())


def test_nan_pixels_do_not_spread() -> None:
    image = np.random.default_rng(0).random((64, 64))
    image[:8, :8] = np.nan
    for how in EVERY:
        assert np.isfinite(how.prepare(image, Spacing()).tensor).all()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((64, 64), np.uint8), "0 everywhere"),
        (np.full((64, 64, 3), 7, np.uint16), "7 everywhere"),
        (np.full((64, 64, 3), (200, 90, 0), np.uint8), "0, 90, 200 everywhere"),
        (np.full((64, 64), np.nan), "no finite value"),
        (np.ones((1, 1), np.uint8), "1 × 1 px"),
    ],
    ids=["black", "constant", "one colour", "nan", "one pixel"],
)
def test_images_with_nothing_in_them_are_refused_in_a_sentence(image, said) -> None:
    for how in EVERY:
        with pytest.raises(ImageError, match=said):
            how.prepare(image, Spacing())


@given(grid=grids, seed=st.integers(0, 9))
def test_a_mask_is_where_the_restored_plane_exceeds_the_threshold(grid, seed) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (*grid, 3), np.uint8)
    prepared = FundusPreprocessing(diameter=64).prepare(image, Spacing())
    plane = np.random.default_rng(seed).random(prepared.geometry.working, np.float32)
    expected = prepared.geometry.restore(plane, outside=0) > 0.5
    np.testing.assert_array_equal(prepared.geometry.restore_mask(plane, 0.5), expected)


def test_the_mask_of_a_photograph_ends_at_its_field_of_view() -> None:
    prepared = FundusPreprocessing(diameter=300).prepare(retina(), Spacing())
    geometry = prepared.geometry
    mask = geometry.restore_mask(np.ones(geometry.working, np.float32), 0.5)
    np.testing.assert_array_equal(mask, geometry.field.core)


def channels(*layers: np.ndarray) -> np.ndarray:
    return np.stack(layers, axis=2).astype(np.float32)


def test_a_channel_of_noise_does_not_become_as_strong_as_vessels() -> None:
    """A saturated red channel, and a blue one that is too dark to show anything.

    Red has a spread of 0.87 and is divided by a quarter of green's, 10.6 / 4: that leaves 0.33.
    Blue is divided by twice its noise, of which the fine detail shows 95 %: that leaves 0.53.
    """
    rng = np.random.default_rng(0)
    green = 90 + 15 * np.sin(np.arange(200) / 4)[np.newaxis] + rng.normal(0, 1, (200, 200))
    red = np.clip(254 + rng.normal(0, 1, (200, 200)), 0, 255)
    blue = 4 + rng.normal(0, 6, (200, 200))
    inside = np.ones((200, 200), bool)
    flat = correct_illumination(channels(red, green, blue), inside, 30)
    assert flat[..., 1].std() == pytest.approx(1, rel=0.01)
    assert flat[..., 0].std() < 0.35
    assert flat[..., 2].std() < 0.55


def test_channels_that_show_vessels_keep_one_contrast() -> None:
    rng = np.random.default_rng(0)
    vessels = np.sin(np.arange(200) / 4)[np.newaxis] + np.zeros((200, 1))
    layers = [100 + size * vessels + rng.normal(0, 0.5, (200, 200)) for size in (9, 10, 4)]
    flat = correct_illumination(channels(*layers), np.ones((200, 200), bool), 30)
    np.testing.assert_allclose(flat.std(axis=(0, 1)), 1, rtol=0.01)


def test_nothing_is_predicted_outside_a_field_that_is_cut() -> None:
    photograph, field = draw(
        Scene(cuts=((SIDES["top"], 0.8), (SIDES["bottom"], 0.8)), surround=(15, 37, 25))
    )
    prepared = FundusPreprocessing(diameter=300).prepare(photograph, Spacing())
    geometry = prepared.geometry
    mask = geometry.restore_mask(np.ones(geometry.working, np.float32), 0.5).astype(bool)
    assert mask[field].mean() > 0.96
    assert not (mask & ~field).any()
    # The cut leaves no edge in what the network sees.
    assert np.abs(prepared.tensor[[2, -3]]).max() < 6


def test_a_field_that_is_given_is_the_one_that_is_used() -> None:
    given = np.zeros((400, 480), bool)
    given[100:300, 140:340] = True
    photograph, _ = draw(Scene())
    how = FundusPreprocessing(diameter=300)
    geometry = how.prepare(photograph, Spacing(), field=FieldOfView.given(given)).geometry
    assert geometry.box == (100, 140, 300, 340)
    assert geometry.field.origin is FieldOrigin.GIVEN
    drawn = geometry.restore_mask(np.ones(geometry.working, np.float32), 0.5)
    assert not drawn[~given].any()
    with pytest.raises(ImageError, match="400 × 480 px and its field of view 200 × 480"):
        how.prepare(photograph, Spacing(), field=FieldOfView.given(given[:200]))
