"""Folders for nnU-Net, Hugging Face and MONAI, by what their documents ask for."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.formats.contents import Picture
from napari_retina_seg.io.formats.networks import (
    HuggingFaceFolder,
    NnunetFolder,
    make_folds,
    read_network_folder,
)
from napari_retina_seg.io.formats.training import TrainingItem
from napari_retina_seg.types.errors import WriteError


@pytest.fixture
def items(make_record):
    """Return two eyes of one patient, one of another with a questionable region, and a volume."""
    phantoms = [phantom_bscan(seed, 64, 96) for seed in range(5)]
    names = ("p1-r", "p1-l", "p2-r")
    records = [make_record(phantoms[k].labels, name=name) for k, name in enumerate(names)]
    region = np.zeros((64, 96), bool)
    region[:, :9] = True
    labels = np.where(region, np.uint8(0), records[2].labels)
    records[2] = replace(records[2], labels=labels, ignore=region)
    volume = make_record(np.stack([phantoms[3].labels, phantoms[4].labels]), name="p3-r")
    planes = [phantom.image.pixels for phantom in phantoms]
    return [
        TrainingItem(records[0], planes[0], "p1", "train"),
        TrainingItem(records[1], planes[1], "p1", "train"),
        TrainingItem(records[2], planes[2], "p2", "val"),
        TrainingItem(volume, np.stack(planes[3:]), "p3", "train"),
    ]


def write(kind, folder, items):
    built = kind(folder, "")
    for item in items:
        built.add(item)
    built.finish()


NAMES = ["p1-l", "p1-r", "p2-r", "p3-r_0000", "p3-r_0001"]


def test_nnunet_finds_its_names_classes_and_values(tmp_path, items):
    write(NnunetFolder, tmp_path, items)
    listed = [path.name for path in sorted((tmp_path / "imagesTr").iterdir())]
    assert listed == [f"{name}_0000.png" for name in NAMES]
    assert [path.stem for path in sorted((tmp_path / "labelsTr").iterdir())] == NAMES
    said = json.loads((tmp_path / "dataset.json").read_text())
    assert said["numTraining"] == len(NAMES)
    assert said["file_ending"] == ".png"
    assert list(said["channel_names"]) == ["0"]
    assert said["labels"]["background"] == 0
    # Consecutive, and "ignore" the highest.
    assert sorted(said["labels"].values()) == list(range(9))
    assert said["labels"]["ignore"] == 8
    for item in items[:3]:
        name = item.record.name
        mask = cv2.imread(str(tmp_path / "labelsTr" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        expected = np.where(item.record.raster() == 255, 8, item.record.raster())
        np.testing.assert_array_equal(mask, expected)
        image = cv2.imread(str(tmp_path / "imagesTr" / f"{name}_0000.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, item.pixels)


def test_nnunet_declares_no_ignored_pixels_where_there_are_none(tmp_path, items):
    write(NnunetFolder, tmp_path, items[:2])
    assert "ignore" not in json.loads((tmp_path / "dataset.json").read_text())["labels"]


def test_nnunet_validates_on_other_patients(tmp_path, items):
    write(NnunetFolder, tmp_path, items)
    folds = json.loads((tmp_path / "splits_final.json").read_text())
    assert len(folds) == 3
    assert sorted(name for fold in folds for name in fold["val"]) == NAMES
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == NAMES
        assert not {name[:2] for name in fold["train"]} & {name[:2] for name in fold["val"]}


def test_folds_hold_about_as_many_images():
    pictures = [
        Picture(name=f"{group}-{k}", group=str(group), split="train", record=0, slice=0)
        for group, number in enumerate((9, 3, 3, 2, 2, 2, 1, 1, 1))
        for k in range(number)
    ]
    assert sorted(len(fold["val"]) for fold in make_folds(pictures)) == [3, 4, 4, 4, 9]


def test_colours_are_one_file_of_three_channels(tmp_path, make_record):
    labels = phantom_bscan(0, 64, 96).labels
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    item = TrainingItem(make_record(labels, name="photo"), pixels, "p", "train")
    write(NnunetFolder, tmp_path, [item])
    said = json.loads((tmp_path / "dataset.json").read_text())
    assert said["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    image = cv2.imread(str(tmp_path / "imagesTr" / "photo_0000.png"))
    np.testing.assert_array_equal(image[..., ::-1], pixels)
    grey = TrainingItem(make_record(labels, name="grey"), pixels[..., 0], "q", "train")
    with pytest.raises(WriteError, match="export grey and colour images apart"):
        write(NnunetFolder, tmp_path, [item, grey])


def test_pixels_that_no_png_holds_are_refused(tmp_path, items):
    item = replace(items[0], pixels=items[0].pixels.astype(np.float32))
    with pytest.raises(WriteError, match="float32 pixels, which no PNG holds"):
        write(NnunetFolder, tmp_path, [item])


def test_hugging_face_finds_a_row_for_each_image_beside_it(tmp_path, items):
    write(HuggingFaceFolder, tmp_path, items)
    found = {}
    for side in ("train", "validation"):
        lines = (tmp_path / side / "metadata.jsonl").read_text().splitlines()
        for row in map(json.loads, lines):
            image = cv2.imread(str(tmp_path / side / row["file_name"]), 0)
            mask = cv2.imread(str(tmp_path / side / row["mask_file_name"]), 0)
            assert image.shape == mask.shape
            found[row["file_name"].removeprefix("images/")] = (side, row["patient"], mask)
    assert sorted(found) == [f"{name}.png" for name in NAMES]
    assert found["p2-r.png"][:2] == ("validation", "p2")
    np.testing.assert_array_equal(found["p2-r.png"][2], items[2].record.raster())


def test_monai_finds_the_files_of_each_side(tmp_path, items):
    write(HuggingFaceFolder, tmp_path, items)
    said = json.loads((tmp_path / "dataset.json").read_text())
    assert (len(said["training"]), len(said["validation"])) == (4, 1)
    assert list(said["labels"]) == [str(value) for value in range(8)]
    for pair in (*said["training"], *said["validation"]):
        assert all((tmp_path / pair[key]).is_file() for key in ("image", "label"))


@pytest.mark.parametrize("kind", [NnunetFolder, HuggingFaceFolder])
def test_masks_come_back_with_their_authors(tmp_path, items, kind):
    write(kind, tmp_path, items)
    found = {record.name: record for record in read_network_folder(tmp_path)}
    assert len(found) == len(items)
    for item in items:
        record = found[item.record.name]
        np.testing.assert_array_equal(record.raster(), item.record.raster())
        assert record.attribution == item.record.attribution


@pytest.mark.parametrize("kind", [NnunetFolder, HuggingFaceFolder])
def test_masks_are_found_whose_names_a_mac_has_decomposed(tmp_path, items, kind):
    item = replace(items[0], record=replace(items[0].record, name="m\u00fcller"))
    write(kind, tmp_path, [item])
    for path in list(tmp_path.rglob("m\u00fcller.png")):
        path.rename(path.with_name("mu\u0308ller.png"))
    (record,) = read_network_folder(tmp_path)
    np.testing.assert_array_equal(record.labels, item.record.labels)
