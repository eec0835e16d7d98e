import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.datasets.layouts import ReadOptions, read_dataset
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.types.errors import DataError, ReadError
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

IMAGE = np.random.default_rng(0).integers(0, 255, (24, 20), np.uint8)
CLASSES = np.arange(24, dtype=np.uint8)[:, None] // 3 * np.ones((1, 20), np.uint8)  # 0 … 7


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, pixels, compression="zlib")
    else:
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("folder", ["masks", "labels", "Masks"])
@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a", "a"),
        ("a", "a_mask"),
        ("a", "a-label"),
        ("a", "a_seg"),
        ("a", "a Segmentation"),
        ("a_image", "a_mask"),
        ("b.1 x", "b.1 x.MASK"),
    ],
)
def test_masks_are_found_by_their_names(tmp_path, folder, image, mask):
    save(tmp_path / "set" / "images" / f"{image}.png", IMAGE)
    save(tmp_path / "set" / folder / f"{mask}.png", CLASSES)
    (found,) = read_dataset(tmp_path / "set")
    assert (found.name, found.full_group) == (image, f"set/{image}")
    assert (found.group_guessed, found.scheme) == (True, None)
    assert found.modality is Modality.UNKNOWN
    assert np.array_equal(found.pixels(), IMAGE)
    assert np.array_equal(found.labels(), CLASSES)


@pytest.mark.parametrize("image", ["png", "bmp", "tif", "npy", "gif", "pgm"])
@pytest.mark.parametrize("mask", ["png", "bmp", "tif", "npy", "gif", "pgm"])
def test_any_format_that_is_read(tmp_path, image, mask):
    save(tmp_path / "images" / f"a.{image}", IMAGE)
    save(tmp_path / "masks" / f"a.{mask}", CLASSES)
    (found,) = read_dataset(tmp_path)
    assert np.array_equal(found.pixels(), IMAGE)
    assert np.array_equal(found.labels(), CLASSES)


def test_pixel_sizes_come_with_the_file(tmp_path):
    save(tmp_path / "images" / "a.png", IMAGE)
    meta = {"unit": "um"}
    tifffile.imwrite(
        tmp_path / "images" / "b.tif", IMAGE, imagej=True, resolution=(0.1, 0.25), metadata=meta
    )
    for name in ("a", "b"):
        save(tmp_path / "masks" / f"{name}.png", CLASSES)
    a, b = read_dataset(tmp_path)
    assert a.spacing() == Spacing()
    assert (b.spacing().axial.um, b.spacing().lateral.um) == pytest.approx((4, 10))


def test_alpha_is_dropped(tmp_path):
    color = np.random.default_rng(1).integers(0, 255, (24, 20, 4), np.uint8)
    save(tmp_path / "images" / "a.png", color)
    save(tmp_path / "masks" / "a.png", CLASSES)
    assert np.array_equal(read_dataset(tmp_path)[0].pixels(), color[..., :3])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_palette_keeps_its_indices(tmp_path, suffix):
    save(tmp_path / "images" / "a.png", IMAGE)
    (tmp_path / "masks").mkdir()
    save_mask(tmp_path / "masks" / f"a.{suffix}", CLASSES, OCT_LAYERS)
    assert np.array_equal(read_dataset(tmp_path)[0].labels(), CLASSES)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_one_bit_is_0_and_1(tmp_path, suffix):
    save(tmp_path / "images" / "a.png", IMAGE)
    (tmp_path / "masks").mkdir()
    Image.fromarray(CLASSES > 3).save(tmp_path / "masks" / f"a.{suffix}")
    assert np.array_equal(read_dataset(tmp_path)[0].labels(), CLASSES > 3)


def test_one_bit_where_white_is_zero(tmp_path):
    save(tmp_path / "images" / "a.png", IMAGE)
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks" / "a.tif", CLASSES < 4, photometric="miniswhite")
    assert np.array_equal(read_dataset(tmp_path)[0].labels(), CLASSES > 3)


def test_other_values_stay_what_they_are(tmp_path):
    save(tmp_path / "images" / "a.png", IMAGE)
    save(tmp_path / "masks" / "a.png", np.where(CLASSES > 3, 255, 0).astype(np.uint8))
    assert np.unique(read_dataset(tmp_path)[0].labels()).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("name", "mask", "message"),
    [
        ("a.png", np.dstack([CLASSES, CLASSES, CLASSES + 1]), "holds colours: save it as one"),
        ("a.npy", CLASSES + 0.5, "values that are not whole numbers"),
        ("a.npy", np.stack([CLASSES] * 5), "holds 5 slices"),
    ],
)
def test_masks_that_are_no_classes_are_refused(tmp_path, name, mask, message):
    save(tmp_path / "images" / "a.png", IMAGE)
    save(tmp_path / "masks" / name, mask)
    with pytest.raises(ReadError, match=rf"a\.\w+' .*{message}|a\.\w+' {message}"):
        read_dataset(tmp_path)[0].labels()


def test_values_beyond_255_are_no_classes(tmp_path):
    save(tmp_path / "images" / "a.png", IMAGE)
    save(tmp_path / "masks" / "a.npy", CLASSES.astype(np.int32) * 100)
    with pytest.raises(DataError, match="values from 0 to 700: class values lie between 0 and"):
        read_dataset(tmp_path)[0].labels()


def test_a_volume_is_no_image(tmp_path):
    save(tmp_path / "images" / "a.npy", np.zeros((5, 24, 20), np.uint8))
    save(tmp_path / "masks" / "a.png", CLASSES)
    with pytest.raises(DataError, match=r"a\.npy' holds 5 slices: save each B-scan as a file"):
        read_dataset(tmp_path)[0].pixels()


def test_what_does_not_pair_up_reports_it_when_it_is_read(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.png", IMAGE)
    for name in ("a", "c"):
        save(tmp_path / "masks" / f"{name}.png", CLASSES)
    a, b, c = read_dataset(tmp_path)
    assert np.array_equal(a.labels(), CLASSES)
    with pytest.raises(
        DataError, match=r"The image '.*b\.png' has no mask of its name in '.*masks"
    ):
        b.labels()
    with pytest.raises(
        DataError, match=r"The mask '.*c\.png' has no image of its name in '.*images"
    ):
        c.pixels()


def test_folders_of_which_nothing_pairs_up_are_refused(tmp_path):
    save(tmp_path / "images" / "scan_1.png", IMAGE)
    save(tmp_path / "masks" / "drawing_1.png", CLASSES)
    with pytest.raises(
        DataError, match=r"No image .*'scan_1\.png'\) has a mask .*'drawing_1\.png'"
    ):
        read_dataset(tmp_path)
    (tmp_path / "masks" / "drawing_1.png").unlink()
    with pytest.raises(
        DataError, match=r"masks' \(which holds no image file\): give both the same name"
    ):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (["a"], ["a_mask", "a_seg"], r"several masks, 'a_mask\.png' and 'a_seg\.png': keep one"),
        (["a", "a_image"], ["a_mask"], r"may be that of 'a\.png' and of 'a_image\.png'"),
    ],
)
def test_names_that_fit_twice_are_refused(tmp_path, images, masks, message):
    for name in images:
        save(tmp_path / "images" / f"{name}.png", IMAGE)
    for name in masks:
        save(tmp_path / "masks" / f"{name}.png", CLASSES)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path):
    for suffix in ("png", "tif"):
        save(tmp_path / "images" / f"a.{suffix}", IMAGE)
    save(tmp_path / "masks" / "a.png", CLASSES)
    with pytest.raises(DataError, match=r"'a\.png' and 'a\.tif' in '.*' have the same name"):
        read_dataset(tmp_path)


def test_parts_of_a_data_set_are_its_split(tmp_path):
    for part, name in (("train", "a"), ("valid", "b"), ("Test", "c")):
        save(tmp_path / part / "images" / f"{name}.png", IMAGE)
        save(tmp_path / part / "masks" / f"{name}_mask.png", CLASSES)
    images = read_dataset(tmp_path)
    assert [(image.name, image.split) for image in images] == [
        ("a", "train"),
        ("b", "val"),
        ("c", "test"),
    ]
    assert {image.dataset for image in images} == {tmp_path.name}


def test_parts_that_count_from_one_again_hold_other_eyes(tmp_path):
    for part in ("train", "test"):
        save(tmp_path / part / "images" / "1.png", IMAGE)
        save(tmp_path / part / "masks" / "1.png", CLASSES)
    assert [image.group for image in read_dataset(tmp_path)] == ["test_1", "train_1"]


@pytest.mark.parametrize(("first", "second"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_accents_are_the_same_however_they_are_encoded(tmp_path, first, second):
    for form, folder, value in ((first, "images", 50), (second, "masks", 1)):
        for number in (1, 2):
            name = unicodedata.normalize(form, f"Müller_{number}")
            save(tmp_path / folder / f"{name}.png", np.full((4, 5), value, np.uint8))
    groups = tmp_path / "who.csv"
    rows = [f"{unicodedata.normalize('NFD', 'Müller')}_{number},é" for number in (1, 2)]
    groups.write_text("\n".join(["name,group", *rows]), encoding="utf-8")
    sides = {"train": [unicodedata.normalize(second, "Müller_1")], "val": ["Müller_2"], "test": []}
    (tmp_path / "splits.json").write_text(json.dumps(sides), encoding="utf-8")
    images = read_dataset(tmp_path, ReadOptions(groups=groups))
    assert [image.name for image in images] == ["Müller_1", "Müller_2"]
    assert [image.split for image in images] == ["train", "val"]
    assert {image.group for image in images} == {"é"}
    assert all((image.read_labels() == 1).all() for image in images)


def test_a_list_of_hugging_face_comes_before_names(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 24), np.uint8)
    part = tmp_path / "train"
    rows = []
    for number, other in enumerate((2, 0, 1)):
        save(part / "images" / f"{number}.png", images[number])
        save(part / "masks" / f"{other}.png", np.full((20, 24), number, np.uint8))
        row = {"file_name": f"images/{number}.png", "mask_file_name": f"masks\\{other}.png"}
        rows.append(json.dumps(row | {"patient": "p"}))
    (part / "metadata.jsonl").write_text("\n".join(rows))
    found = read_dataset(tmp_path)
    assert [int(image.labels().max()) for image in found] == [0, 1, 2]
    (part / "metadata.jsonl").write_text('{"file_name": "images/0.png"}\n')  # without masks
    assert [int(image.labels().max()) for image in read_dataset(tmp_path)] == [1, 2, 0]
    (part / "metadata.jsonl").write_text("not JSON")
    with pytest.raises(DataError, match="needs a JSON object with a 'file_name' in each line"):
        read_dataset(tmp_path)
