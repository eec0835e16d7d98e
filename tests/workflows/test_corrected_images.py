"""The corrected masks of a project as training images."""

import numpy as np
import pytest
import tifffile

from napari_retina_seg.models.registry import find_model
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.progress import CancelToken, finish
from napari_retina_seg.workflows.corrected_images import iter_find_corrections
from napari_retina_seg.workflows.corrections import Seen
from napari_retina_seg.workflows.patients import PatientRule

SHAPE = (3, 64, 80)


def find(project):
    rule = PatientRule(each_image=True)
    return finish(
        iter_find_corrections(project, find_model("oct-layers").spec, rule, CancelToken())
    )


@pytest.fixture
def volume(ann, tmp_path):
    """Correct two slices of three, with boundaries and a questionable place."""
    pixels = np.random.default_rng(0).integers(1, 255, SHAPE, np.uint8)
    tifffile.imwrite(tmp_path / "volume.tif", pixels, photometric="minisblack")
    image = ann.add_images([tmp_path / "volume.tif"]).images[0]
    heights = np.broadcast_to(np.arange(10, 50, 5, dtype=np.float32)[:, np.newaxis], (8, 80))
    heights = np.stack([heights, np.full((8, 80), np.nan, np.float32), heights + 1])
    rows = np.arange(64)[:, np.newaxis]
    labels = np.zeros(SHAPE, np.uint8)
    for index in (0, 2):
        deep = sum((rows >= height).astype(np.uint8) for height in heights[index])
        labels[index] = np.where(deep == 8, 0, deep)
    unsure = np.zeros(SHAPE, bool)
    unsure[2, :, :7] = True
    ann.save_version(image.id, Annotation(labels, heights, unsure), Action.CORRECT)
    return image, pixels, labels, heights, unsure


def test_slices_that_were_worked_on_are_learnt_from_with_all_that_is_known(ann, volume):
    image, pixels, labels, heights, unsure = volume
    found = find(ann).images
    assert [one.labelled.name for one in found] == [f"#{image.id} slice 1", f"#{image.id} slice 3"]
    for one, index in zip(found, (0, 2), strict=True):
        np.testing.assert_array_equal(one.labelled.pixels(), pixels[index])
        np.testing.assert_array_equal(one.labelled.labels(), labels[index])
        np.testing.assert_array_equal(one.labelled.heights(), heights[index])
        np.testing.assert_array_equal(one.labelled.ignored(), unsure[index])
        assert one.pixels == tuple(np.bincount(labels[index].ravel(), minlength=8))
    assert found[0].content != found[1].content
    assert found[0].patient == found[1].patient


def test_predictions_and_unfinished_work_are_no_corrections(ann, volume, write_scan, make):
    others = ann.add_images([write_scan("a.png", 1), write_scan("b.png", 2)]).images
    ann.save_version(others[0].id, make.annotation(), Action.DRAFT)
    ann.add_prediction(others[1].id, make.prediction())
    assert {one.labelled.name.split()[0] for one in find(ann).images} == {"#1"}


def test_what_is_little_is_said_class_by_class(ann, volume):
    found = find(ann)
    sentences = found.describe(Seen(frozenset(), frozenset()))
    assert sentences[0] == "2 corrected masks of 1 patient."
    assert "RNFL is shown in 2 masks of 1 patient only" in sentences[1]
    assert len(sentences) == 8
    with pytest.raises(DataError, match="of 1 patient, and a proof needs 3 or more"):
        found.check(Seen(frozenset(), frozenset()))


def test_a_name_of_a_patient_is_not_in_a_name_of_a_picture(ann, volume):
    found = find(ann).images[0].labelled
    assert found.group.startswith("p")
    assert "volume" not in found.name + found.group
