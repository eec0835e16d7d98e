"""DRIVE and HRF as their authors hand them out."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality

PHOTO = np.random.default_rng(0).integers(0, 255, (24, 20, 3), np.uint8)
VESSEL = np.zeros((24, 20), np.uint8)
VESSEL[8:12] = 255
FIELD = np.zeros((24, 20), np.uint8)
FIELD[2:22, 2:18] = 255


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def drive(tmp_path) -> Path:
    """Two photographs of DRIVE, small: TIFF, with masks as GIF of dark and bright."""
    for part, number in (("training", "21"), ("test", "01")):
        folder = tmp_path / part
        save(folder / "images" / f"{number}_{part}.tif", PHOTO)
        save(folder / "1st_manual" / f"{number}_manual1.gif", VESSEL)
        save(folder / "mask" / f"{number}_{part}_mask.gif", FIELD)
    save(tmp_path / "test" / "2nd_manual" / "01_manual2.gif", VESSEL[::-1])
    return tmp_path


def test_drive(drive):
    test, training = read_dataset(drive)
    assert [(image.full_group, image.split) for image in (test, training)] == [
        ("drive/01", "test"),
        ("drive/21", "train"),
    ]
    assert {test.modality, training.modality} == {Modality.FUNDUS}
    assert {test.scheme, training.scheme} == {"fundus-vessels"}
    for image in (test, training):
        assert np.array_equal(image.pixels(), PHOTO)
        assert np.array_equal(image.labels(), VESSEL > 0)
        assert np.array_equal(image.read_field(), FIELD > 0)
    assert not training.references
    assert np.array_equal(test.labels("second_observer"), VESSEL[::-1] > 0)


@pytest.mark.parametrize("where", ["fov/a.png", "mask/a_mask.gif", "fov/a_fov.tif", "mask/a.png"])
def test_a_field_of_view_beside_the_images_is_read(tmp_path, where) -> None:
    save(tmp_path / "images" / "a.png", PHOTO)
    save(tmp_path / "images" / "b.png", PHOTO)
    save(tmp_path / "masks" / "a.png", VESSEL // 255)
    save(tmp_path / "masks" / "b.png", VESSEL // 255)
    save(tmp_path / where, FIELD)
    first, second = read_dataset(tmp_path)
    assert np.array_equal(first.given_field().pixels, FIELD > 0)
    assert second.given_field() is None


def test_a_field_of_view_is_found_however_its_name_is_written(tmp_path) -> None:
    for name in ("mu\u0308ller", "other"):
        save(tmp_path / "images" / f"{name}.png", PHOTO)
        save(tmp_path / "masks" / f"{name}.png", VESSEL // 255)
    save(tmp_path / "fov" / "m\u00fcller.png", FIELD)
    save(tmp_path / "fov" / "Other_Mask.PNG", FIELD)
    fields = [image.given_field() for image in read_dataset(tmp_path)]
    assert all(np.array_equal(field.pixels, FIELD > 0) for field in fields)


def test_drive_whose_palette_begins_with_white(drive):
    picture = Image.fromarray((VESSEL == 0).astype(np.uint8))
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(drive / "training" / "1st_manual" / "21_manual1.gif")
    assert np.array_equal(read_dataset(drive)[1].labels(), VESSEL > 0)


def test_drive_without_the_tracings_of_its_test(drive):
    (drive / "test" / "1st_manual" / "01_manual1.gif").unlink()
    with pytest.raises(DataError, match=r"'01_test\.tif' has no tracing '.*01_manual1\.gif'"):
        read_dataset(drive)[0].labels()
    (drive / "test" / "1st_manual").rmdir()
    assert [image.split for image in read_dataset(drive)] == ["train"]


def test_hrf_as_it_is_handed_out(tmp_path):
    save(tmp_path / "images" / "01_dr.JPG", PHOTO)
    save(tmp_path / "images" / "01_h.jpg", PHOTO)
    (tmp_path / "manual1").mkdir()
    (tmp_path / "mask").mkdir()
    tifffile.imwrite(tmp_path / "manual1" / "01_dr.tif", VESSEL)
    tifffile.imwrite(tmp_path / "mask" / "01_dr_mask.tif", np.dstack([FIELD] * 3))
    first, second = read_dataset(tmp_path)
    assert first.full_group == "hrf/01_dr"
    assert first.pixels().shape == (24, 20, 3)
    assert np.array_equal(first.labels(), VESSEL > 0)
    assert np.array_equal(first.read_field(), FIELD > 0)
    assert second.read_field is None
    with pytest.raises(DataError, match=r"'01_h\.jpg' has no tracing '.*01_h\.tif': put it back"):
        second.labels()


def test_a_mask_of_nothing_is_nothing(drive):
    save(drive / "training" / "1st_manual" / "21_manual1.gif", np.zeros_like(VESSEL))
    assert not read_dataset(drive)[1].labels().any()
