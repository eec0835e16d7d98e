"""MATLAB files as Duke publishes them: all slices in order, and what is refused."""

import numpy as np
import pytest
from scipy.io import savemat

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images.folders import list_folder
from napari_retina_seg.types.errors import ReadError

VOLUME = np.random.default_rng(0).integers(0, 256, (16, 20, 7))  # rows, columns, slices


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_a_volume_has_its_slices_and_no_sizes(tmp_path, dtype):
    savemat(tmp_path / "AMD_1.mat", {"images": VOLUME.astype(dtype), "Age": 70})
    assert list_folder(tmp_path).images == (tmp_path / "AMD_1.mat",)
    image = read_image(tmp_path / "AMD_1.mat")
    np.testing.assert_array_equal(image.pixels, np.moveaxis(VOLUME, -1, 0))
    assert (image.pixels.dtype, image.name) == (np.uint8, "AMD_1")
    assert {size.um for size in vars(image.spacing).values()} == {None}


def test_a_single_scan_keeps_its_values(tmp_path):
    savemat(tmp_path / "a.mat", {"images": VOLUME[..., 0] / 7})
    image = read_image(tmp_path / "a.mat")
    np.testing.assert_allclose(image.pixels, VOLUME[..., 0] / 7, rtol=1e-6)


@pytest.mark.parametrize(("content", "message"), [
    ({"scans": VOLUME}, "holds no array 'images'"),
    ({"images": "text"}, "holds no array 'images'"),
    ({"images": np.ones((2, 3, 4, 5))}, "holds no array 'images'"),
    ({"images": VOLUME[..., :3]}, "may be slices or colours"),
])  # fmt: skip
def test_other_contents_are_refused_in_a_sentence(tmp_path, content, message):
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(ReadError, match=message):
        read_image(tmp_path / "a.mat")


def test_ground_truth_beside_images_is_passed_over_in_a_folder(tmp_path):
    savemat(tmp_path / "eye_gt.mat", {"groundTruth": VOLUME[..., 0]})
    contents = list_folder(tmp_path)
    assert (contents.images, contents.passed_over[0].reason) == ((), "a MATLAB file without images")


@pytest.mark.parametrize(("content", "message"), [
    (b"MATLAB 5.0 MAT-file".ljust(400), "can't be read as MATLAB file"),
    (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF", "save it again with '-v7'"),
])  # fmt: skip
def test_a_damaged_or_newer_file_is_refused(tmp_path, content, message):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ReadError, match=message):
        read_image(tmp_path / "a.mat")


def test_the_limit_of_pixels_holds(tmp_path):
    savemat(tmp_path / "a.mat", {"images": VOLUME.astype(np.uint8)})
    with pytest.raises(ReadError, match="more than the limit of 100 pixels"):
        read_image(tmp_path / "a.mat", max_pixels=100)
