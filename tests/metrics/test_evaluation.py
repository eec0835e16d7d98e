import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from napari_retina_seg.imaging.fov import FieldOfView, FieldOrigin
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.surfaces import stacked_heights, to_labels
from napari_retina_seg.metrics.evaluation import (
    Evaluation,
    EvaluationAccumulator,
    ScoredImage,
    compare,
)
from napari_retina_seg.metrics.measures import MEASURES, Key
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelScheme

RNG = np.random.default_rng(3)


def mask(*rows: str) -> np.ndarray:
    return np.array([[int(value) for value in row] for row in rows], np.uint8)


def blank(name: str, grid: tuple[int, int], group: str = "eye", **more) -> ScoredImage:
    return ScoredImage(name, "made", group, np.zeros(grid, np.uint8), **more)


def of_vessels(name: str, *pairs: tuple[np.ndarray, np.ndarray], **more) -> Evaluation:
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    for k, (truth, drawn) in enumerate(pairs):
        one = blank(f"image {k}", truth.shape, f"patient {k}", **more)
        tally.add(one, Annotation(truth), Annotation(drawn))
    return tally.result(name, None)


def test_vessels_worked_out_by_hand() -> None:
    truth, drawn = mask("1100", "0000"), mask("1010", "1000")
    (image,) = of_vessels("model", (truth, drawn)).images
    # TP 1, FP 2, FN 1, TN 4
    assert dict(image.scores) == {
        Key("accuracy"): 5 / 8,
        Key("dice"): pytest.approx(2 / 5),
        Key("iou"): 1 / 4,
        Key("precision"): pytest.approx(1 / 3),
        Key("recall"): 1 / 2,
        Key("specificity"): pytest.approx(4 / 6),
        Key("mcc"): pytest.approx((4 - 2) / np.sqrt(3 * 2 * 6 * 5)),
        Key("centreline_dice"): pytest.approx(2 / 5),  # these pixels are their centre lines
        Key("interruptions"): 0,
    }


def test_only_the_field_of_view_counts() -> None:
    truth, drawn = mask("1100", "0000"), mask("1111", "1111")
    inside = mask("1100", "0000").astype(bool)
    evaluation = of_vessels("model", (truth, drawn), inside=inside)
    assert evaluation.means[Key("dice")].value == 1
    assert evaluation.matrix.sum() == 2


def test_what_does_not_apply_is_absent() -> None:
    empty = np.zeros((4, 4), np.uint8)
    evaluation = of_vessels("model", (empty, empty), (mask("10", "00"), mask("10", "00")))
    first = evaluation.images[0].scores
    assert dict(first) == {Key("accuracy"): 1, Key("specificity"): 1}
    assert evaluation.means[Key("dice")].images == 1
    assert Key("auc") not in evaluation.means
    assert evaluation.reliability is None
    assert [image.name for image in evaluation.ranked] == ["image 1", "image 0"]
    assert [case.image.name for case in evaluation.worst] == ["image 1"]


def test_probabilities_of_vessels_agree_with_scikit_learn() -> None:
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truths = RNG.integers(0, 2, (3, 20, 30), np.uint8)
    inside = RNG.random((20, 30)) < 0.8
    vessel = np.clip(0.4 * truths + RNG.normal(0.3, 0.2, truths.shape), 0, 1).astype(np.float16)
    for truth, p in zip(truths, vessel, strict=True):
        drawn = Annotation((p > 0.5).astype(np.uint8), probabilities=np.stack([1 - p, p]))
        tally.add(blank("image", truth.shape, inside=inside), Annotation(truth), drawn)
    evaluation = tally.result("model", None)
    for k, image in enumerate(evaluation.images):
        pair = truths[k][inside], vessel[k][inside].astype(float)
        assert image.scores[Key("auc")] == pytest.approx(sklearn_metrics.roc_auc_score(*pair))
        expected = sklearn_metrics.average_precision_score(*pair)
        assert image.scores[Key("average_precision")] == pytest.approx(expected)
    pair = truths[:, inside].ravel(), vessel[:, inside].ravel().astype(float)
    assert evaluation.pooled[Key("auc")] == pytest.approx(sklearn_metrics.roc_auc_score(*pair))
    assert evaluation.pooled[Key("dice")] == pytest.approx(
        sklearn_metrics.f1_score(pair[0], pair[1] > 0.5)
    )
    assert evaluation.reliability.counts.sum() == pair[0].size
    assert evaluation.pooled[Key("ece")] == evaluation.reliability.expected_error()


def test_probabilities_that_are_no_numbers_are_not_rated() -> None:
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truth = mask("10", "00")
    drawn = Annotation(truth * 0, probabilities=np.full((2, 2, 2), np.nan))
    tally.add(blank("image", truth.shape), Annotation(truth), drawn)
    evaluation = tally.result("diverged", None)
    assert evaluation.images[0].scores[Key("dice")] == 0
    assert not {Key("auc"), Key("ece")} & set(evaluation.means)


def shifted_layers(shift: float, **more) -> Evaluation:
    phantom = phantom_bscan(0, 96, 64)
    heights = phantom.heights.copy()
    heights[2] += shift
    heights[3:] = np.maximum(heights[3:], heights[2])
    tally = EvaluationAccumulator(OCT_LAYERS)
    drawn = Annotation(to_labels(heights.astype(np.float32), 96), heights)
    tally.add(blank("scan", (96, 64), **more), Annotation(phantom.labels, phantom.heights), drawn)
    return tally.result("model", None)


def test_boundaries_and_thicknesses_of_layers() -> None:
    scores = shifted_layers(-0.75, axial_um=4.0).images[0].scores
    name, above, below = "IPL-INL", "GCL+IPL", "INL"
    assert scores[Key("boundary_error_px", name)] == pytest.approx(0.75)
    assert scores[Key("boundary_bias_px", name)] == pytest.approx(-0.75)
    assert scores[Key("boundary_p95_px", name)] == pytest.approx(0.75)
    assert scores[Key("boundary_error_um", name)] == pytest.approx(3)
    assert scores[Key("boundary_error_px")] == pytest.approx(0.75 / 8)
    assert scores[Key("boundary_error_px", "ILM")] == 0
    assert scores[Key("thickness_bias_px", above)] == pytest.approx(-0.75)
    assert scores[Key("thickness_bias_um", below)] == pytest.approx(3)
    assert scores[Key("thickness_error_px")] == pytest.approx(2 * 0.75 / 7)


def test_without_pixel_size_there_are_no_micrometres() -> None:
    evaluation = shifted_layers(1)
    assert not [key for key in evaluation.means if key.measure.endswith("_um")]
    assert not [key for key in evaluation.pooled if key.measure.endswith("_um")]


def test_classes_of_layers_agree_with_scikit_learn() -> None:
    truth, drawn = RNG.integers(0, 7, (2, 40, 50), np.uint8)  # RPE is in neither
    tally = EvaluationAccumulator(OCT_LAYERS)
    tally.add(blank("scan", (40, 50)), Annotation(truth), Annotation(drawn))
    scores = tally.result("model", None).images[0].scores
    expected = sklearn_metrics.f1_score(truth.ravel(), drawn.ravel(), average=None)
    names = [label.abbreviation for label in OCT_LAYERS.classes]
    found = [scores[Key("dice", name)] for name in names[:7]]
    np.testing.assert_allclose(found, expected)
    assert scores[Key("dice")] == pytest.approx(expected.mean())
    assert Key("dice", "RPE") not in scores
    assert Key("accuracy", "RPE") not in scores
    jaccard = sklearn_metrics.jaccard_score(truth.ravel(), drawn.ravel(), average="macro")
    assert scores[Key("iou")] == pytest.approx(jaccard)


def of_layers(name: str, *annotations: np.ndarray) -> Evaluation:
    tally = EvaluationAccumulator(OCT_LAYERS)
    for k, drawn in enumerate(annotations):
        truth = phantom_bscan(k, 96, 64).labels
        tally.add(blank(f"scan {k}", truth.shape, f"eye {k}"), Annotation(truth), Annotation(drawn))
    return tally.result(name, None)


def test_to_miss_a_layer_never_pays() -> None:
    truths = [phantom_bscan(k, 96, 64).labels for k in range(2)]
    good = [np.roll(truth, 1, axis=0) for truth in truths]
    without = [np.where(drawn == 7, 0, drawn) for drawn in good]
    whole, blind = of_layers("whole", *good), of_layers("blind", good[0], without[1])
    for measure in ("precision", "recall", "mcc", "dice"):
        key = Key(measure, "RPE")
        assert blind.images[1].scores[key] == 0
        assert blind.images[1].scores[Key(measure)] < whole.images[1].scores[Key(measure)]
        difference = compare(whole, blind).differences[key]
        assert (difference.images, difference.value > 0) == (2, True)


def test_means_are_over_images_with_intervals_over_patients() -> None:
    whole, half = mask("11", "00"), mask("10", "00")
    evaluation = of_vessels("model", (whole, whole), (whole, half))
    dice = evaluation.means[Key("dice")]
    assert dice.value == pytest.approx((1 + 2 / 3) / 2)
    assert (dice.low, dice.high) == pytest.approx((2 / 3, 1))
    pooled = evaluation.pooled_estimates[Key("dice")]
    assert evaluation.pooled[Key("dice")] == pooled.value == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert (pooled.low, pooled.high) == pytest.approx((2 / 3, 1))
    assert (pooled.images, pooled.groups) == (2, 2)


def test_pooled_intervals_resample_patients_with_all_their_images() -> None:
    truths = RNG.integers(0, 2, (12, 20, 30), np.uint8)
    annotations = np.where(RNG.random(truths.shape) < 0.2, 1 - truths, truths)
    annotations[8:] = np.where(RNG.random((4, 20, 30)) < 0.4, 0, truths[8:])
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    for k in range(12):
        one = blank(f"image {k}", (20, 30), f"patient {k // 2}")
        tally.add(one, Annotation(truths[k]), Annotation(annotations[k]))
    found = tally.result("model", None).pooled_estimates[Key("mcc")]
    redrawn = []
    for _ in range(1000):
        chosen = [2 * p + eye for p in RNG.integers(0, 6, 6) for eye in (0, 1)]
        pair = truths[chosen].ravel(), annotations[chosen].ravel()
        redrawn.append(np.corrcoef(*pair)[0, 1])  # of two classes MCC is Pearson's correlation
    whole = sklearn_metrics.matthews_corrcoef(truths.ravel(), annotations.ravel())
    assert found.value == pytest.approx(whole)
    assert (found.low, found.high) == pytest.approx(np.percentile(redrawn, [2.5, 97.5]), abs=0.01)


def test_pooled_boundaries_have_intervals_but_for_percentiles() -> None:
    tally = EvaluationAccumulator(OCT_LAYERS)
    truth = phantom_bscan(0, 96, 64)
    for k, (columns, shift) in enumerate([(64, 1.0), (32, -2.0)]):
        heights = truth.heights.copy()
        heights[:, columns:] = np.nan
        drawn = Annotation(truth.labels, truth.heights + shift)
        one = blank(f"scan {k}", (96, 64), f"eye {k}", axial_um=2.0)
        tally.add(one, Annotation(truth.labels, heights), drawn)
    pooled = tally.result("model", None).pooled_estimates

    def told(measure: str) -> tuple[float | None, ...]:
        one = pooled[Key(measure, "ILM")]
        return one.value, one.low, one.high

    assert told("boundary_error_px") == pytest.approx(((64 + 2 * 32) / 96, 1, 2))
    assert told("boundary_bias_px") == pytest.approx((0, -2, 1))
    assert told("boundary_bias_um") == pytest.approx((0, -4, 2))
    assert told("boundary_p95_px")[1:] == (None, None)
    assert pooled[Key("thickness_error_px")].high == pytest.approx(0)
    assert pooled[Key("boundary_error_px")].value == pytest.approx(4 / 3)


def test_one_patient_s_pooled_scores_have_no_interval() -> None:
    pooled = shifted_layers(1, axial_um=4.0).pooled_estimates
    assert {(one.low, one.high) for one in pooled.values()} == {(None, None)}


def test_each_data_set_has_means_of_its_own() -> None:
    whole, half = mask("11", "00"), mask("10", "00")
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    for dataset, drawn in (("a", whole), ("b", half), ("b", half)):
        one = ScoredImage("image", dataset, dataset, np.zeros((2, 2)))
        tally.add(one, Annotation(whole), Annotation(drawn))
    by_dataset = tally.result("model", None).dataset_means
    assert {name: means[Key("recall")].value for name, means in by_dataset.items()} == {
        "a": 1,
        "b": 0.5,
    }
    assert by_dataset["b"][Key("recall")].images == 2


def test_the_worst_are_kept_worst_first() -> None:
    truth = np.ones((2, 10), np.uint8)
    pairs = []
    for found in (9, 3, 7, 1, 5, 8):
        drawn = truth.copy()
        drawn[:, found:] = 0
        pairs.append((truth, drawn))
    evaluation = of_vessels("model", *pairs)
    worst = [case.image.name for case in evaluation.worst]
    assert worst == ["image 3", "image 1", "image 4", "image 2"]
    assert [image.name for image in evaluation.ranked][:4] == worst


def test_two_models_are_compared_image_by_image() -> None:
    truths = [mask("1100", "0011"), mask("1000", "0001"), mask("1111", "0000")]
    good = of_vessels("good", *((truth, truth) for truth in truths))
    bad = of_vessels("bad", *((truth, truth * mask("1110", "0001")) for truth in truths))
    comparison = compare(good, bad)
    difference = comparison.differences[Key("recall")]
    assert difference.value == pytest.approx((1 / 4 + 0 + 1 / 4) / 3)
    assert difference.low == 0
    assert Key("auc") not in comparison.differences


def test_different_images_or_references_are_not_compared() -> None:
    truth = mask("10", "00")
    one = of_vessels("one", (truth, truth))
    two = of_vessels("two", (truth, truth), (truth, truth))
    with pytest.raises(DataError, match="same images"):
        compare(one, two)
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    tally.add(blank("image 0", truth.shape), Annotation(truth), Annotation(truth))
    with pytest.raises(DataError, match="same reference"):
        compare(one, tally.result("one", "second_observer"))


def test_heights_are_read_only_where_layers_are_stacked() -> None:
    labels = np.zeros((8, 5), np.uint8)
    labels[2:4], labels[4:7] = 1, 2
    labels[:, 1] = 0  # nothing there
    labels[2:4, 2], labels[4:7, 2] = 2, 1  # wrong order
    labels[5, 3] = 0  # a hole
    labels[2:7, 4] = 2  # the first layer is missing: no thickness
    expected = np.full((3, 5), np.nan)
    expected[:, 0] = [2, 4, 7]
    expected[:, 4] = [2, 2, 7]
    np.testing.assert_array_equal(stacked_heights(labels, 3), expected)


def test_every_score_has_a_name_and_a_definition() -> None:
    keys = {*shifted_layers(1, axial_um=4).means, *of_vessels("m", (mask("10"), mask("10"))).means}
    assert {key.measure for key in keys} <= set(MEASURES)
    assert all(measure.label and measure.definition for measure in MEASURES.values())


def test_three_classes_without_surfaces_have_no_boundaries() -> None:
    scheme = LabelScheme("disc", (*FUNDUS_VESSELS.classes, OCT_LAYERS.classes[2]))
    tally = EvaluationAccumulator(scheme)
    tally.add(blank("image", (1, 3)), Annotation(mask("012")), Annotation(mask("011")))
    scores = tally.result("model", None).images[0].scores
    assert scores[Key("dice", "GCL+IPL")] == 0
    assert scores[Key("accuracy")] == pytest.approx(2 / 3)
    assert not [key for key in scores if "boundary" in key.measure]


GIVEN = FieldOfView(np.ones((2, 2), bool), (1, 1), 2, True, FieldOrigin.GIVEN)
FOUND = FieldOfView(np.ones((2, 2), bool), (1, 1), 2, True)


@pytest.mark.parametrize(
    ("field", "by_model", "noted"),
    [(GIVEN, True, True), (GIVEN, False, False), (FOUND, True, False), (None, True, False)],
)
def test_what_a_model_leaves_out_of_a_given_field_is_noted(field, by_model, noted) -> None:
    """An expert draws up to the rim, and of fields that were found the rim is not scored."""
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truth = mask("10", "00")
    sure = np.stack([1 - truth, truth]).astype(np.float32) if by_model else None
    drawn = Annotation(truth, probabilities=sure)
    tally.add(blank("image", (2, 2), field=field), Annotation(truth), drawn)
    found = tally.result("model", None)
    assert ("draws nothing along their rim, in 0.5% of the diameter" in found.field_note) is noted
    assert bool(found.field_note) is noted
    assert found.images[0].field_origin == (field and field.origin)


def test_origins_of_fields_are_counted() -> None:
    whole = FieldOfView.whole((2, 2))
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    for field in (FOUND, whole, None, FOUND):
        truth = Annotation(mask("10", "00"))
        tally.add(blank("image", (2, 2), field=field), truth, truth)
    assert tally.result("model", None).field_origins == {
        FieldOrigin.FOUND: 2,
        FieldOrigin.FRAME: 1,
    }


def test_an_evaluation_is_called_after_both_sides() -> None:
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truth = Annotation(mask("10", "00"))
    tally.add(blank("image", (2, 2)), truth, truth)
    assert tally.result("unet", "second observer").title == "unet against second observer"
    assert tally.result("unet", None).title == "unet against the reference"


def test_columns_outside_the_field_have_no_boundaries() -> None:
    phantom = phantom_bscan(0, 96, 64)
    inside = np.zeros((96, 64), bool)
    inside[:, :16] = True
    heights = phantom.heights.copy()
    heights[:, 16:] += 5
    heights[:, :4] += 2
    tally = EvaluationAccumulator(OCT_LAYERS)
    truth, drawn = (Annotation(phantom.labels, each) for each in (phantom.heights, heights))
    tally.add(blank("scan", (96, 64), inside=inside), truth, drawn)
    scores = tally.result("model", None).images[0].scores
    assert scores[Key("boundary_error_px", "ILM")] == pytest.approx(2 * 4 / 16)


def test_micrometres_are_pooled_only_if_every_scan_has_them() -> None:
    phantom = phantom_bscan(0, 96, 64)
    truth = Annotation(phantom.labels, phantom.heights)
    drawn = Annotation(phantom.labels, phantom.heights + 1)
    for sizes, pooled in (((2.0, None), None), ((2.0, 4.0), 3.0)):
        tally = EvaluationAccumulator(OCT_LAYERS)
        for number, um in enumerate(sizes):
            tally.add(blank(str(number), (96, 64), str(number), axial_um=um), truth, drawn)
        found = tally.result("model", None)
        assert found.pooled.get(Key("boundary_error_um", "ILM")) == pooled
        assert found.pooled[Key("boundary_error_px", "ILM")] == 1
        assert Key("boundary_error_um", "ILM") in found.means


def test_probabilities_of_all_images_together_are_counted_by_image_and_patient() -> None:
    tally = EvaluationAccumulator(FUNDUS_VESSELS)
    truth = mask("10", "00")
    sure = np.stack([1 - truth, truth]).astype(np.float32)
    for group, probabilities in (("a", sure), ("a", sure), ("b", None)):
        drawn = Annotation(truth, probabilities=probabilities)
        tally.add(blank("image", (2, 2), group), Annotation(truth), drawn)
    found = tally.result("model", None).pooled_estimates
    for measure in ("auc", "average_precision", "ece"):
        assert (found[Key(measure)].images, found[Key(measure)].groups) == (2, 1)
    assert found[Key("auc")].value == found[Key("average_precision")].value == 1
    assert found[Key("ece")].value == 0


def test_scores_are_shown_with_three_decimals_and_lengths_with_two() -> None:
    assert MEASURES["interruptions"].decimals == 1  # a number, mostly as a mean over images
    for name, measure in MEASURES.items():
        if name == "interruptions":
            continue
        assert measure.decimals == (2 if name.endswith(("_px", "_um")) else 3)
        assert name.endswith("_um") == ("µm" in measure.label)


def test_the_95th_percentile_of_thickness_and_boundary() -> None:
    """Of 81 errors 0 … 80 px, 95 % do not exceed 76."""
    phantom = phantom_bscan(0, 96, 81)
    heights = phantom.heights.copy()
    heights[0] += np.arange(81)
    tally = EvaluationAccumulator(OCT_LAYERS)
    truth, drawn = (Annotation(phantom.labels, each) for each in (phantom.heights, heights))
    tally.add(blank("scan", (96, 81), axial_um=2.0), truth, drawn)
    scores = tally.result("model", None).images[0].scores
    assert scores[Key("boundary_p95_px", "ILM")] == pytest.approx(76, abs=1e-4)
    assert scores[Key("thickness_p95_um", "RNFL")] == pytest.approx(152, abs=1e-4)
    assert scores[Key("boundary_p95_px")] == pytest.approx(76 / 8, abs=1e-4)
