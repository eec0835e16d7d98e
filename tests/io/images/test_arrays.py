import numpy as np
import pytest

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError

RNG = np.random.default_rng(0)
DTYPES = ["bool", "uint8", "uint16", "int16", "int64", "float16", "float32", "float64", ">u2"]


def saved(folder, pixels):
    np.save(folder / "a.npy", pixels)
    return folder / "a.npy"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(21, 33), (5, 21, 33)])
def test_arrays_are_exact(tmp_path, dtype, shape, order):
    pixels = np.asarray(RNG.integers(0, 2, shape), dtype, order=order)
    image = read_image(saved(tmp_path, pixels))
    assert image.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    assert image.is_volume == (len(shape) == 3)
    assert image.pixels.flags.writeable
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize(
    ("shape", "expected", "color"),
    [
        ((21, 33, 3), (21, 33, 3), True),
        ((21, 33, 4), (21, 33, 4), True),
        ((5, 21, 33, 3), (5, 21, 33, 3), True),
        ((8, 33, 3), (8, 33, 3), False),
        ((5, 21, 33, 1), (5, 21, 33), False),
        ((21, 33, 1), (21, 33), False),
    ],
)
def test_the_last_axis_decides_about_colors(tmp_path, shape, expected, color):
    image = read_image(saved(tmp_path, RNG.integers(0, 256, shape, np.uint8)))
    assert (image.pixels.shape, image.color) == (expected, color)


@pytest.mark.parametrize("shape", [(), (7,), (0, 5), (2, 3, 21, 33), (2, 2, 21, 33, 3)])
def test_what_is_no_image_is_refused(tmp_path, shape):
    with pytest.raises(ReadError, match="an image is"):
        read_image(saved(tmp_path, np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("shape", [(80, 90, 5), (80, 90, 16), (90, 80, 19)])
def test_slices_on_the_last_axis_are_refused(tmp_path, shape):
    with pytest.raises(ReadError, match="with the slices last"):
        read_image(saved(tmp_path, np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("shape", [(97, 62, 48), (19, 90, 80), (300, 40, 60)])
def test_slices_on_the_first_axis_may_be_many(tmp_path, shape):
    image = read_image(saved(tmp_path, np.zeros(shape, np.uint8)))
    assert image.pixels.shape == shape
    assert not image.warnings


@pytest.mark.parametrize("slices", [3, 4])
def test_slices_that_may_be_channels_are_reported(tmp_path, slices):
    image = read_image(saved(tmp_path, np.zeros((slices, 40, 50), np.uint8)))
    assert image.n_slices == slices
    (warning,) = image.warnings
    assert f"save it as (40, 50, {slices})" in warning


def test_numbers_that_are_no_brightness_are_refused(tmp_path):
    with pytest.raises(ReadError, match="complex128"):
        read_image(saved(tmp_path, np.zeros((5, 5), complex)))
    with pytest.raises(ReadError, match="records"):
        read_image(saved(tmp_path, np.zeros((5, 5), [("a\nb", "u1")])))
    with pytest.raises(ReadError, match="<U4"):
        read_image(saved(tmp_path, np.full((5, 5), "text")))


class Tripwire:
    def __reduce__(self):
        return pytest.fail, ("somebody's pickle was executed",)


def test_objects_are_refused_and_never_unpickled(tmp_path):
    array = np.array([[Tripwire()]], dtype=object)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ReadError, match="object"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["image", "images", "arr_0"])
def test_the_usual_array_of_an_archive_is_read(tmp_path, name):
    pixels = RNG.integers(0, 256, (21, 33), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", mask=pixels > 9, **{name: pixels})
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz").pixels, pixels)


def test_the_only_array_of_an_archive_is_read(tmp_path):
    np.savez(tmp_path / "a.npz", bscan=np.eye(20))
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz").pixels, np.eye(20))


def test_an_archive_of_many_arrays_lists_them(tmp_path):
    np.savez(tmp_path / "a.npz", scan=np.eye(20), layers=np.eye(20))
    with pytest.raises(ReadError, match="scan, layers"):
        read_image(tmp_path / "a.npz")


def test_an_archive_without_arrays_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(ReadError, match="no NumPy array"):
        read_image(tmp_path / "a.npz")


def test_a_header_that_claims_too_much_is_refused(tmp_path):
    header = {"descr": "|u1", "fortran_order": False, "shape": (100_000, 100_000)}
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ReadError, match="too short for what its header claims"):
        read_image(tmp_path / "a.npy")
