import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_retina_seg.io import read_image
from napari_retina_seg.io.mask_spacing import read_mask_spacing
from napari_retina_seg.io.masks import encode_grey_png, read_mask, read_region, save_mask
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.image import Length, Origin, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS, SCHEMES

shapes = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes, scheme=st.sampled_from(list(SCHEMES.values())), seed=st.integers(0, 99))
def test_a_mask_comes_back_with_its_classes(tmp_path, shape, scheme, seed):
    labels = np.random.default_rng(seed).integers(0, len(scheme), shape, np.uint8)
    for suffix in ("tif",) if labels.ndim == 3 else ("png", "tif"):
        path = tmp_path / f"mask.{suffix}"
        save_mask(path, labels, scheme)
        again, same = read_mask(path)
        assert same is scheme
        assert np.array_equal(again.reshape(shape), labels)


def test_any_other_file_is_no_mask(tmp_path):
    grey = np.zeros((20, 20), np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    (tmp_path / "letter.tif").write_bytes(b"This is a letter.")
    for name in ("grey.png", "palette.png", "letter.tif", "absent.png", "scan.dcm"):
        assert read_mask(tmp_path / name) is None


def test_no_two_schemes_have_one_palette():
    palettes = {scheme.palette.tobytes() for scheme in SCHEMES.values()}
    assert len(palettes) == len(SCHEMES)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", ["a.jpg", "a", "a.dcm", "a.tif", "a.png"])
def test_a_mask_is_known_by_its_content(tmp_path, suffix, name):
    labels = np.arange(8, dtype=np.uint8).reshape(2, 4)
    known = Spacing.from_um(axial=3.87, lateral=11.6)
    save_mask(tmp_path / f"saved{suffix}", labels, OCT_LAYERS, known)
    path = (tmp_path / f"saved{suffix}").rename(tmp_path / name)
    again, scheme = read_mask(path)
    np.testing.assert_array_equal(again, labels)
    assert scheme is OCT_LAYERS
    spacing = read_mask_spacing(path)
    assert (spacing.axial.um, spacing.lateral.um) == pytest.approx((3.87, 11.6), rel=1e-4)


@pytest.mark.parametrize(("name", "shape"), [("a.png", (3, 9, 9)), ("a.jpg", (9, 9))])
def test_a_file_that_can_not_hold_the_mask_is_refused(tmp_path, name, shape):
    with pytest.raises(WriteError, match=r"as \.png or \.tif, a volume as \.tif"):
        save_mask(tmp_path / name, np.zeros(shape, np.uint8), OCT_LAYERS)
    assert not list(tmp_path.iterdir())


def test_other_programs_read_the_values(tmp_path):
    labels = np.arange(8, dtype=np.uint8).reshape(2, 4)
    save_mask(tmp_path / "a.png", labels, OCT_LAYERS)
    assert np.array_equal(np.array(Image.open(tmp_path / "a.png")), labels)
    assert read_image(tmp_path / "a.png").pixels.shape[:2] == (2, 4)


def test_a_region_is_what_is_not_zero_however_it_was_saved(tmp_path):
    region = np.zeros((20, 30), bool)
    region[4:9, 7:20] = True
    palette = Image.fromarray(region.astype(np.uint8))
    palette.putpalette([200, 200, 200, 10, 10, 10])  # 0 is brighter than what is marked
    pictures = {
        "palette.png": palette,
        "bit.png": Image.fromarray(region),
        "grey.png": Image.fromarray(region * np.uint8(255)),
        "colour.png": Image.fromarray(region[..., np.newaxis] * np.uint8([9, 0, 0])),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    np.save(tmp_path / "real.npy", np.where(region, 0.25, np.nan))
    for name in (*pictures, "real.npy"):
        np.testing.assert_array_equal(read_region(tmp_path / name), region, err_msg=name)


def test_a_region_of_a_volume_has_its_slices(tmp_path):
    labels = np.zeros((3, 20, 30), np.uint8)
    labels[1, 4:9] = 2
    save_mask(tmp_path / "ours.tif", labels, OCT_LAYERS)
    tifffile.imwrite(tmp_path / "theirs.tif", labels, photometric="minisblack")
    for name in ("ours.tif", "theirs.tif"):
        np.testing.assert_array_equal(read_region(tmp_path / name), labels > 0)


SIZES = Spacing.from_um(axial=3.87, lateral=11.6)


def sizes(path):
    spacing = read_mask_spacing(path)
    return spacing.slice.um, spacing.axial.um, spacing.lateral.um


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_mask_states_its_pixel_size(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    save_mask(path, np.zeros((9, 9), np.uint8), OCT_LAYERS, SIZES)
    assert sizes(path) == (None, pytest.approx(3.87, rel=1e-5), pytest.approx(11.6, rel=1e-5))
    assert read_mask(path) is not None
    save_mask(path, np.zeros((9, 9), np.uint8), OCT_LAYERS)
    assert sizes(path) == (None, None, None)


def test_a_volume_states_the_distance_of_its_slices(tmp_path):
    spacing = Spacing.from_um(slice=120, axial=3.87, lateral=11.6)
    save_mask(tmp_path / "a.tif", np.zeros((3, 9, 9), np.uint8), OCT_LAYERS, spacing)
    assert sizes(tmp_path / "a.tif") == (120, 3.87, 11.6)


def test_other_programs_read_the_size_of_a_png(tmp_path):
    """PNG's chunk pHYs: pixels per metre along columns, along rows, and that it is metres."""
    save_mask(tmp_path / "a.png", np.zeros((9, 9), np.uint8), OCT_LAYERS, SIZES)
    content = (tmp_path / "a.png").read_bytes()
    at = content.index(b"pHYs") + 4
    found = [int.from_bytes(content[at + 4 * k : at + 4 * k + 4], "big") for k in range(2)]
    assert found == [round(1e6 / 11.6), round(1e6 / 3.87)]
    assert content[at + 8] == 1


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_the_resolution_of_a_print_is_no_pixel_size_of_a_mask(tmp_path, dpi):
    picture = Image.fromarray(np.zeros((9, 9), np.uint8))
    picture.save(tmp_path / "a.png", dpi=(dpi, dpi))
    assert sizes(tmp_path / "a.png") == (None, None, None)


def test_one_known_side_is_kept_where_the_format_can_hold_it(tmp_path):
    spacing = Spacing(axial=Length(3.87, SIZES.axial.origin))
    save_mask(tmp_path / "a.tif", np.zeros((9, 9), np.uint8), OCT_LAYERS, spacing)
    assert sizes(tmp_path / "a.tif") == (None, 3.87, None)


@pytest.mark.parametrize("origin", [Origin.FILE, Origin.USER])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_mask_says_who_stated_its_pixel_size(tmp_path, suffix, origin):
    spacing = Spacing.from_um(axial=3.87, lateral=11.6, origin=origin)
    save_mask(tmp_path / f"a.{suffix}", np.zeros((9, 9), np.uint8), OCT_LAYERS, spacing)
    assert read_mask_spacing(tmp_path / f"a.{suffix}").axial.origin is origin


def test_a_mask_of_a_training_folder_is_known_with_what_it_leaves_open(tmp_path):
    labels = np.array([[0, 7, IGNORE], [1, 2, 3]], np.uint8)
    (tmp_path / "a.png").write_bytes(encode_grey_png(labels, OCT_LAYERS))
    again, scheme = read_mask(tmp_path / "a.png")
    assert scheme == OCT_LAYERS
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(read_region(tmp_path / "a.png"), (labels > 0) & (labels < 8))
