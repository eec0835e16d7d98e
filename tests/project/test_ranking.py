"""The order by expected gain in a project: what has a place, and what it is founded on."""

import sqlite3
from dataclasses import replace

import pytest

from napari_retina_seg.metrics.expected_gain import ReviewFigures
from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.filters import Order
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.errors import ProjectError

pytestmark = pytest.mark.both_databases


@pytest.fixture
def predicted(ann, make, write_scan):
    """Add four images with predictions, each less sure than the one before."""
    paths = [write_scan(f"{name}_1.png", seed) for seed, name in enumerate("abcd")]
    images = ann.add_images(paths).images
    for number, image in enumerate(images):
        features = tuple(float(number == each) for each in range(4))  # all alike far apart
        figures = ReviewFigures(0.1 * (1 + number), features=features)
        ann.add_prediction(image.id, make.prediction(number), figures)
    return images


def order(project):
    return [image.id for image in project.queue(order=Order.GAIN)]


def test_it_is_kept_until_it_is_worked_out_again(ann, predicted, make):
    ids = [image.id for image in predicted]
    assert order(ann) == ids  # not yet
    ranked = ann.rank_images()
    assert (ranked.images, ranked.without_figures, ranked.compares) == (4, 0, False)
    assert order(ann) == ids[::-1]
    ann.save_version(ids[3], make.annotation(), Action.CORRECT)
    assert order(ann) == ids[::-1]  # no row moves while somebody goes through the list
    ann.rank_images()
    assert order(ann) == [*ids[2::-1], ids[3]]
    last = ann.image(ids[3])
    assert (last.gain, last.reason) == (None, "")


def test_what_was_removed_has_no_place(ann, predicted):
    ann.remove_images([predicted[3].id])
    assert ann.rank_images().images == 3


def test_the_sentence_says_what_the_order_is_founded_on(ann, image, make):
    assert "run a model first" in ann.rank_images().sentence
    ann.add_prediction(image.id, make.prediction())
    assert "1 of 1 image" in ann.rank_images().sentence
    assert ann.image(image.id).reason.startswith("mean uncertainty 0.")
    ann.add_review_figures(image.id, 1, ReviewFigures(0.1))
    assert "Fewer than 3 images were corrected" in ann.rank_images().sentence
    assert ann.image(image.id).reason == "uncertain in 10% of columns"


def test_a_later_prediction_without_figures_replaces_them(ann, predicted, make):
    first = predicted[0].id
    ann.add_prediction(first, make.prediction(7))
    assert ann.predictions_without_figures() == {first: 2}
    ann.rank_images()
    assert ann.image(first).reason.startswith("mean uncertainty")


def test_two_models_are_compared(ann, image, make):
    ann.add_prediction(image.id, make.prediction(1), ReviewFigures(0.1))
    other = make.prediction(2)
    other = replace(other, provenance=replace(other.provenance, weights_sha256="cd" * 32))
    ann.add_prediction(image.id, other, ReviewFigures(0.1))
    ann.rank_images()
    assert "unlike the mask of oct-layers" in ann.image(image.id).reason
    # The same model again is no second opinion.
    ann.add_prediction(image.id, replace(other, labels=make.prediction(3).labels))
    ann.rank_images()
    assert "unlike" not in ann.image(image.id).reason


def test_figures_belong_to_a_prediction(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    with pytest.raises(ProjectError, match="is no prediction"):
        ann.add_review_figures(image.id, 1, ReviewFigures(0.1))
    with pytest.raises(ProjectError, match="no version 2"):
        ann.add_review_figures(image.id, 2, ReviewFigures(0.1))


@pytest.mark.only_sqlite
def test_figures_of_another_form_are_like_none(ann, predicted, folder):
    ann.close()
    raw = sqlite3.connect(folder / "project.sqlite")
    raw.execute("""UPDATE review_figures SET figures = '{"uncertain": "much"}'""")
    stamp_all(raw)
    raw.commit()
    raw.close()
    with Project(folder, author="Ann") as again:
        assert again.rank_images().without_figures == 4


def test_images_of_one_name_but_for_the_number_count_as_one_group(ann, make, write_scan):
    names = ("volume_1", "volume_2", "other_1")
    images = ann.add_images([write_scan(f"{name}.png", i) for i, name in enumerate(names)]).images
    for image, share in zip(images, (0.3, 0.29, 0.2), strict=True):
        ann.add_prediction(image.id, make.prediction(), ReviewFigures(share))
    ann.rank_images()
    assert order(ann) == [images[0].id, images[2].id, images[1].id]
