"""What corrections cost follows from the records: once per image, from the mask it began with."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.metrics.burden import NO_MODEL
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation


@pytest.fixture
def images(ann, write_scan):
    return ann.add_images([write_scan(f"scan{number}.png", number) for number in range(4)]).images


def changed(prediction, pixels):
    """Return a prediction's mask in which the first pixels of a row have another class."""
    labels = prediction.labels.copy()
    labels[0, :pixels] = (labels[0, :pixels] + 1) % 8
    return Annotation(labels)


def test_time_and_changes_are_those_since_the_models_mask(ann, images, make):
    drawn = make.prediction()
    number = ann.add_prediction(images[0].id, drawn).number
    draft = ann.save_version(
        images[0].id, changed(drawn, 2), Action.DRAFT, parent=number, seconds=30
    )
    ann.save_version(
        images[0].id, changed(drawn, 6), Action.CORRECT, parent=draft.number, seconds=60
    )
    (one,) = ann.burden().images
    assert (one.seconds, one.is_unchanged, one.model) == (90, False, "oct-layers")
    assert one.pixels == pytest.approx(6 / (16 * 24))
    assert 0.9 < one.dice < 1
    # Each changed pixel changes its column for two of eight classes, of which background is none.
    assert 6 / (7 * 24) <= one.columns <= 12 / (7 * 24)


def test_masks_accepted_as_they_are_count_as_unchanged(ann, images, make):
    ann.add_prediction(images[0].id, make.prediction())
    ann.accept(images[0].id, seconds=12)
    (one,) = ann.burden().images
    assert (one.is_unchanged, one.dice, one.columns, one.pixels) == (True, 1, 0, 0)
    (model,) = ann.burden().models
    assert (model.unchanged, model.minutes) == (1, (0.2, 0.2, 0.2))


def test_what_began_with_nothing_is_a_group_of_its_own(ann, images, make):
    ann.save_version(images[0].id, make.annotation(), Action.CORRECT, seconds=300)
    ann.add_prediction(images[1].id, make.prediction())
    ann.accept(images[1].id)
    nothing, model = ann.burden().models
    assert (nothing.name, nothing.dice, nothing.unchanged) == (NO_MODEL, None, None)
    assert nothing.minutes == (5, 5, 5)
    assert (model.images, model.timed, model.minutes) == (1, 0, None)  # no time was recorded


def test_versions_of_one_name_are_told_apart(ann, images, make):
    for image, weights in zip(images, ("ab" * 32, "cd" * 32), strict=False):
        drawn = make.prediction()
        origin = replace(drawn.provenance, weights_sha256=weights)
        ann.add_prediction(image.id, replace(drawn, provenance=origin))
        ann.accept(image.id)
    names = [model.name for model in ann.burden().models]
    assert names == ["oct-layers (abababab)", "oct-layers (cdcdcdcd)"]


def test_an_image_counts_once_and_unfinished_or_removed_ones_do_not(ann, images, make):
    for image in images[:3]:
        ann.add_prediction(image.id, make.prediction())
    first = ann.accept(images[0].id, seconds=10)
    reopened = ann.reopen(images[0].id, first.number)
    ann.save_version(
        *(images[0].id, make.annotation(5), Action.CORRECT), parent=reopened.number, seconds=500
    )
    ann.save_version(images[1].id, make.annotation(6), Action.DRAFT, seconds=70)
    ann.accept(images[2].id, seconds=20)
    ann.mark_ungradable(images[3].id, "blurred", seconds=5)
    assert [(one.image_id, one.seconds) for one in ann.burden().images] == [
        (images[0].id, 10),
        (images[2].id, 20),
    ]
    ann.remove_images([images[2].id])
    assert [one.image_id for one in ann.burden().images] == [images[0].id]


def test_a_second_grader_is_not_told_what_is_hidden(ann, bob, images, make):
    ann.add_prediction(images[0].id, make.prediction())
    ann.accept(images[0].id)
    ann.assign_second_grader(images[0].id, "Bob")
    found = bob.burden()
    assert (found.images, found.hidden) == ((), 1)
    assert ann.burden().hidden == 0


def test_a_class_in_neither_mask_does_not_count(ann, images, make):
    drawn = make.prediction()
    labels = np.where(drawn.labels == 7, 0, drawn.labels).astype(np.uint8)
    number = ann.add_prediction(images[0].id, replace(drawn, labels=labels)).number
    ann.save_version(images[0].id, Annotation(labels), Action.CORRECT, parent=number)
    assert ann.burden().images[0].dice == 1
