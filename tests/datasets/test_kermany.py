"""B-scans of Kermany et al. 2018: the names tell the patients."""

import json

import pytest

from helpers import write_png
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.datasets.split import split_images
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LESIONS

NAMES = ("CNV-12-1", "CNV-12-30", "DME-7-2", "DRUSEN-9-4")


@pytest.fixture
def folder(tmp_path):
    scan = phantom_bscan(rows=64, columns=64).image.pixels
    for name in NAMES:
        write_png(tmp_path / "images" / f"{name}.png", scan)
        write_png(tmp_path / "masks" / f"{name}.png", (scan > 99).astype("uint8"))
    sides = {"train": ["CNV-12-1", "CNV-12-30", "DRUSEN-9-4"], "test": ["DME-7-2"]}
    (tmp_path / "splits.json").write_text(json.dumps(sides))
    return tmp_path


def test_all_scans_of_a_patient_are_a_group(folder):
    images = read_dataset(folder)
    assert [image.group for image in images] == ["CNV-12", "CNV-12", "DME-7", "DRUSEN-9"]
    assert {(image.scheme, image.modality) for image in images} == {
        (OCT_LESIONS.name, Modality.OCT)
    }
    assert not any(image.group_guessed for image in images)
    split = split_images(images, seed=1)
    assert [image.name for image in split.test] == ["DME-7-2"]
    of_one = {image.group == "CNV-12" for image in split.validation}
    assert len(of_one) == 1  # both scans of the patient, or neither


@pytest.mark.parametrize("change", ["no split", "another name"])
def test_other_folders_of_pairs_stay_what_they_were(folder, change):
    splits = folder / "splits.json"
    if change == "no split":
        splits.unlink()
    else:
        splits.write_text(splits.read_text().replace("DME-7-2", "scan"))
        for part in ("images", "masks"):
            (folder / part / "DME-7-2.png").rename(folder / part / "scan.png")
    images = read_dataset(folder)
    assert {image.scheme for image in images} == {None}
    assert all(image.group_guessed for image in images)
