"""Lesions in an image: found or not, how large, by class and for all kinds of fluid together."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from napari_retina_seg.metrics.evaluation import Evaluation, EvaluationAccumulator, ScoredImage
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS, OCT_LESIONS

CYST, DETACHMENT, DRUSEN = (OCT_LESIONS.find(name).value for name in ("IRC", "NSD", "Drusen"))
GRID = (6, 10)


def mask(**areas: int) -> np.ndarray:
    """Draw so many pixels of each class, one after the other."""
    values = [OCT_LESIONS.find(name).value for name, area in areas.items() for _ in range(area)]
    labels = np.zeros(GRID, np.uint8)
    labels.flat[: len(values)] = values
    return labels


def rated(labels: np.ndarray, **likelihoods: float) -> np.ndarray:
    """Give the first pixel these probabilities."""
    probabilities = np.zeros((len(OCT_LESIONS), *labels.shape), np.float16)
    for name, value in likelihoods.items():
        probabilities[OCT_LESIONS.find(name).value, 0, 0] = value
    return probabilities


def evaluate(*cases) -> Evaluation:
    """Score pairs of masks, each of a patient of its own."""
    tally = EvaluationAccumulator(OCT_LESIONS)
    for k, (truth, drawn, *probabilities) in enumerate(cases):
        image = ScoredImage(f"scan {k}", "made", f"patient {k}", np.zeros(GRID, np.uint8))
        tally.add(image, Annotation(truth), Annotation(drawn, None, None, *probabilities))
    return tally.result("model", None)


def test_one_kind_of_fluid_taken_for_another_is_still_fluid():
    evaluation = evaluate((mask(IRC=8, Drusen=4), mask(NSD=8, Drusen=4)))
    dice = {key.part: score for key, score in evaluation.pooled.items() if key.measure == "dice"}
    assert (dice["Fluid"], dice["Drusen"], dice["IRC"], dice["NSD"]) == (1, 1, 0, 0)
    (image,) = evaluation.images
    assert image.scores[Key("dice", "Fluid")] == 1
    # The mean over the classes does not count fluid twice: background, IRC, NSD and drusen.
    assert image.scores[Key("dice")] == pytest.approx(0.5)


def test_areas_are_compared_image_by_image():
    evaluation = evaluate(
        (mask(IRC=10), mask(IRC=4)), (mask(IRC=10), mask(IRC=18)), (mask(), mask(Drusen=5))
    )
    assert evaluation.pooled[Key("area_error", "IRC")] == pytest.approx((6 + 8) / 20)
    assert evaluation.pooled[Key("area_bias", "IRC")] == pytest.approx((8 - 6) / 20)
    assert evaluation.pooled[Key("area_error", "Fluid")] == pytest.approx((6 + 8) / 20)
    assert Key("area_error", "Drusen") not in evaluation.pooled  # nothing to compare with
    assert evaluation.images_with["IRC"] == 2
    assert evaluation.images_with["Drusen"] == 0


def test_detection_is_by_the_likeliest_pixel_of_each_image():
    rng = np.random.default_rng(4)
    there = rng.random(30) < 0.4
    likelihood = np.round(np.clip(rng.normal(0.3 + 0.3 * there, 0.2), 0, 1), 1)  # with ties
    cases = [
        (mask(IRC=int(one)), mask(), rated(mask(), IRC=value))
        for one, value in zip(there, likelihood, strict=True)
    ]
    evaluation = evaluate(*cases)
    found = evaluation.pooled_estimates[Key("detection_auc", "IRC")]
    assert found.value == pytest.approx(roc_auc_score(there, likelihood))
    assert found.low < found.value < found.high
    assert evaluation.pooled[Key("detection_auc", "Fluid")] == pytest.approx(found.value)
    assert Key("detection_auc", "Drusen") not in evaluation.pooled  # in none of the images


def test_the_likelihood_of_fluid_is_that_of_all_its_kinds():
    unsure, sure = rated(mask(), IRC=0.4, NSD=0.4), rated(mask(), Drusen=0.7, IRC=0.5)
    evaluation = evaluate((mask(IRC=3), mask(), unsure), (mask(Drusen=3), mask(), sure))
    assert evaluation.pooled[Key("detection_auc", "Fluid")] == 1
    assert evaluation.pooled[Key("detection_auc", "IRC")] == 0


def test_layers_are_no_lesions():
    tally = EvaluationAccumulator(OCT_LAYERS)
    labels = np.repeat(np.arange(6, dtype=np.uint8), 10).reshape(GRID)
    image = ScoredImage("scan", "made", "patient", labels)
    tally.add(image, Annotation(labels), Annotation(labels))
    evaluation = tally.result("model", None)
    assert evaluation.images_with == {}
    assert not any(key.measure.startswith(("area_", "detection")) for key in evaluation.pooled)
