"""Pixels that a file states to hold no data, in every layout of training data and in its check."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from helpers import write_png
from napari_retina_seg.datasets.check import iter_check_dataset
from napari_retina_seg.datasets.findings import FindingKind
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import read_split, split_images, split_json
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish

PADDED = 24  # columns
PADDING = 40000
PHANTOM = phantom_bscan(3, 128, 160)
SCAN = PHANTOM.image.pixels.astype(np.uint16) * 16


def pad(values: np.ndarray, value: int = 0) -> np.ndarray:
    return np.pad(values, ((0, 0), (PADDED, 0)), constant_values=value)


def write_padded(path: Path, pixels: np.ndarray = SCAN) -> None:
    """Write a DICOM file, which other suffixes do not hide; its padding is like no marker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
    padded = pad(pixels, PADDING)
    # Beside the padding there are stray values that would hide it, were it not stated.
    padded[::2, :PADDED] = PADDING + np.arange(PADDED)
    dataset.Rows, dataset.Columns = padded.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit = PADDING, PADDING + PADDED
    dataset.PixelData = padded.astype(np.uint16).tobytes()
    dataset.save_as(path)


def as_pairs(folder: Path, name: str = "a") -> None:
    write_padded(folder / f"images/{name}.dcm")
    write_png(folder / f"masks/{name}.png", pad(PHANTOM.labels))


def as_parts(folder: Path) -> None:
    as_pairs(folder / "train")
    as_pairs(folder / "test")


def as_drive(folder: Path) -> None:
    write_padded(folder / "training/images/21_training.tif")
    write_png(folder / "training/1st_manual/21_manual1.gif", pad(PHANTOM.labels))


def as_chase(folder: Path) -> None:
    write_padded(folder / "Image_01L.jpg")
    write_png(folder / "Image_01L_1stHO.png", pad(PHANTOM.labels))


def as_hrf(folder: Path) -> None:
    write_padded(folder / "01_h.jpg")
    write_png(folder / "01_h_av.png", pad(PHANTOM.labels))


def as_official_hrf(folder: Path) -> None:
    write_padded(folder / "images/01_h.jpg")
    write_png(folder / "manual1/01_h.tif", pad(PHANTOM.labels))


def as_oct_layers(folder: Path) -> None:
    write_padded(folder / "s1_1.png")
    write_png(folder / "s1_1_mask.png", pad(PHANTOM.labels))
    (folder / "splits.json").write_text('{"train": ["s1"]}')


def as_octid(folder: Path) -> None:
    write_padded(folder / "NORMAL1.jpg")
    region = {
        "shape_attributes": {
            "name": "polygon",
            "all_points_x": [30, 100, 60],
            "all_points_y": [40, 45, 90],
        },
        "region_attributes": {"label": "RNFL"},
    }
    entry = {"filename": "NORMAL1.jpg", "size": 1, "regions": [region], "file_attributes": {}}
    (folder / "polygons.json").write_text(json.dumps({"NORMAL1.jpg1": entry}))


@pytest.mark.parametrize(
    "write",
    [
        as_pairs,
        as_parts,
        as_drive,
        as_chase,
        as_hrf,
        as_official_hrf,
        as_oct_layers,
        as_octid,
    ],
)
def test_every_layout_keeps_what_a_file_states(tmp_path, write) -> None:
    write(tmp_path)
    images = read_dataset(tmp_path)
    assert images
    for image in images:
        valid = image.valid()
        assert valid is not None
        assert not valid[:, :PADDED].any()
        assert valid[:, PADDED:].all()
        np.testing.assert_array_equal(image.pixels()[:, PADDED:], SCAN)


def test_every_way_to_split_keeps_it(tmp_path) -> None:
    for name in "abcdef":
        as_pairs(tmp_path / "set", name)
    images = read_dataset(tmp_path / "set")
    split = split_images(images, seed=0)
    (tmp_path / "splits.json").write_text(split_json(split))
    for each in (split, read_split(tmp_path / "splits.json", images)):
        members = [image for side in each.sides.values() for image in side]
        assert len(members) == 6
        assert all(image.valid() is not None for image in members)


def test_a_file_is_read_again_when_it_has_changed(tmp_path) -> None:
    as_pairs(tmp_path)
    (image,) = read_dataset(tmp_path)
    assert image.pixels().shape[1] == 160 + PADDED
    write_padded(image.path, SCAN[:, :100])
    assert image.pixels().shape[1] == 100 + PADDED
    assert image.valid().shape[1] == 100 + PADDED


def test_the_check_of_data_looks_beside_it(tmp_path) -> None:
    """Grey levels, areas, likeness and the fit of the mask are those of the scan alone."""
    as_pairs(tmp_path / "padded")
    write_png(tmp_path / "plain/images/a.png", SCAN)
    write_png(tmp_path / "plain/masks/a.png", PHANTOM.labels)
    padded, plain = (
        finish(iter_check_dataset(read_dataset(tmp_path / name), OCT_LAYERS))
        for name in ("padded", "plain")
    )
    found, expected = padded.images[0], plain.images[0]
    assert not found.findings
    assert found.modality is expected.modality is Modality.OCT
    assert dict(found.areas) == dict(expected.areas)
    assert (found.histogram.low, found.histogram.high) == (
        expected.histogram.low,
        expected.histogram.high,
    )
    np.testing.assert_array_equal(found.histogram.counts, expected.histogram.counts)


def test_a_mask_in_the_padding_alone_is_empty(tmp_path) -> None:
    as_pairs(tmp_path)
    mask = np.zeros((128, 160 + PADDED), np.uint8)
    mask[50:90, : PADDED - 1] = 3
    write_png(tmp_path / "masks/a.png", mask)
    check = finish(iter_check_dataset(read_dataset(tmp_path), OCT_LAYERS))
    assert check.images[0].kinds == {FindingKind.EMPTY}


def test_padding_alone_is_no_image(tmp_path) -> None:
    as_pairs(tmp_path)
    write_padded(tmp_path / "images/a.dcm", np.arange(128 * 160).reshape(128, 160) % 20 + PADDING)
    check = finish(iter_check_dataset(read_dataset(tmp_path), OCT_LAYERS))
    assert FindingKind.BLANK in check.images[0].kinds
