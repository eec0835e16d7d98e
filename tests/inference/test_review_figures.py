"""What a prediction says about how much its correction would teach."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.inference.review_figures import find_review_figures
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS


def sure_of(labels, classes, sure=0.98):
    """Return probabilities: what is drawn has `sure`, the rest is shared out."""
    one = np.moveaxis(np.eye(classes, dtype=np.float32)[labels], -1, -3)
    return (one * sure + (1 - one) * (1 - sure) / (classes - 1)).astype(np.float16)


@pytest.fixture(scope="module")
def scan():
    found = phantom_bscan(0, 96, 80)
    labels = np.asarray(found.labels, np.uint8)
    return found.image, Annotation(labels, probabilities=sure_of(labels, 8))


def unsure(drawn, columns):
    """Return the prediction with a guess in these columns."""
    probabilities = drawn.probabilities.copy()
    probabilities[..., columns] = 1 / 8
    return replace(drawn, probabilities=probabilities)


def test_columns_in_which_the_model_guesses_are_uncertain(scan):
    image, drawn = scan
    assert find_review_figures(image, drawn, OCT_LAYERS).uncertain == 0
    found = find_review_figures(image, unsure(drawn, slice(0, 20)), OCT_LAYERS)
    assert found.uncertain == pytest.approx(20 / 80)


def test_columns_that_hold_no_data_are_not_counted(scan):
    image, drawn = scan
    valid = np.ones((96, 80), bool)
    valid[:, 40:] = False
    found = find_review_figures(
        replace(image, valid=valid), unsure(drawn, slice(30, 80)), OCT_LAYERS
    )
    assert found.uncertain == pytest.approx(10 / 40)


def test_a_mask_without_anything_is_uncertain_throughout(scan):
    image, drawn = scan
    empty = np.zeros_like(drawn.labels)
    found = find_review_figures(
        image, Annotation(empty, probabilities=sure_of(empty, 8)), OCT_LAYERS
    )
    assert found.uncertain == 1
    assert found.implausible == 1
    assert found.place == "no layer is drawn"


def test_columns_with_layers_that_cannot_be_are_implausible(scan):
    image, drawn = scan
    labels = drawn.labels.copy()
    labels[:, 30:50][labels[:, 30:50] == 5] = 4
    found = find_review_figures(image, replace(drawn, labels=labels), OCT_LAYERS)
    assert found.implausible == pytest.approx(20 / 80, abs=0.05)
    assert "missing" in found.place
    assert find_review_figures(image, drawn, OCT_LAYERS).implausible == 0


def test_a_volume_has_the_mean_of_its_slices_and_features_of_one_length(scan):
    image, drawn = scan
    bad = unsure(drawn, slice(0, 40))
    volume = replace(image, pixels=np.stack([image.pixels] * 2))
    both = Annotation(
        np.stack([drawn.labels] * 2),
        probabilities=np.stack([drawn.probabilities, bad.probabilities]),
    )
    found = find_review_figures(volume, both, OCT_LAYERS)
    single = find_review_figures(image, drawn, OCT_LAYERS)
    assert found.uncertain == pytest.approx(0.25)
    assert found.features == pytest.approx(single.features, abs=1e-4)


def test_features_tell_scans_of_one_eye_from_one_that_looks_otherwise(scan):
    image, drawn = scan
    darker = replace(image, pixels=(image.pixels // 4).astype(image.pixels.dtype))
    one, other = (
        np.array(find_review_figures(each, drawn, OCT_LAYERS).features) for each in (image, darker)
    )
    assert np.isfinite(one).all()
    assert np.abs(one - other).max() > 0.05


def test_of_vessels_drawn_pixels_are_counted():
    labels = np.zeros((40, 40), np.uint8)
    labels[10:14] = 1
    drawn = Annotation(labels, probabilities=sure_of(labels, 2))
    probabilities = drawn.probabilities.copy()
    probabilities[:, 10:14, :10] = 0.5
    image = RetinaImage(np.zeros((40, 40, 3), np.uint8), color=True, modality=Modality.FUNDUS)
    found = find_review_figures(image, replace(drawn, probabilities=probabilities), FUNDUS_VESSELS)
    assert found.uncertain == pytest.approx(0.25)
    assert (found.implausible, found.place) == (0, "")
