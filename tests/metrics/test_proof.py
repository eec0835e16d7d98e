"""When a candidate may take the place of the model in use."""

import numpy as np
import pytest

from napari_retina_seg.metrics.evaluation import EvaluationAccumulator, ScoredImage, compare
from napari_retina_seg.metrics.measures import Key, columns_to_correct
from napari_retina_seg.metrics.proof import Proof, Verdict, join_evaluations
from napari_retina_seg.reports.improvement import drawn_in_vain, harm_of
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

ROWS, COLUMNS = 40, 30


def evaluate(name, wrong, *, scheme=FUNDUS_VESSELS, groups="abcdef"):
    """Score masks of which `wrong[image]` rows of the class, or px of a boundary, are off."""
    accumulator = EvaluationAccumulator(scheme)
    for number, (off, group) in enumerate(zip(wrong, groups, strict=True)):
        image = ScoredImage(f"#{number}", "project", group, np.zeros((ROWS, COLUMNS), np.uint8))
        if scheme is FUNDUS_VESSELS:
            truth, drawn = (np.zeros((ROWS, COLUMNS), np.uint8) for _ in range(2))
            truth[:10] = 1
            drawn[off : 10 + off] = 1
            accumulator.add(image, Annotation(truth), Annotation(drawn))
        else:
            accumulator.add(image, layers(0), layers(off))
    return accumulator.result(name, None)


def layers(off):
    """Draw eight boundaries 4 px apart, of which the third is `off` px too deep."""
    heights = np.repeat(np.arange(4, 36, 4, dtype=np.float32)[:, np.newaxis], COLUMNS, axis=1)
    heights[2] += off
    rows = np.arange(ROWS)[:, np.newaxis]
    labels = sum((rows >= height).astype(np.uint8) for height in heights)
    return Annotation(np.where(labels == 8, 0, labels).astype(np.uint8), heights)


def proof(candidate, current, reference=None, **kinds):
    pair = compare(evaluate("new", candidate, **kinds), evaluate("old", current, **kinds))
    if reference is None:
        return Proof(pair)
    new, old = (
        evaluate(name, wrong) for name, wrong in zip(("new", "old"), reference, strict=True)
    )
    return Proof(pair, compare(new, old))


def test_a_candidate_that_is_better_everywhere_is_proven():
    found = proof([1, 1, 2, 1, 1, 1], [3, 4, 3, 3, 4, 3])
    assert found.is_proven
    assert found.overall.verdict is Verdict.BETTER
    assert found.images[0].name in ("#1", "#4")
    assert all(image.gain > 0 for image in found.images)


def test_a_candidate_that_is_worse_is_not_and_it_says_by_how_much():
    found = proof([3, 3, 3, 4, 3, 3], [1, 1, 1, 1, 2, 1])
    assert not found.is_proven
    assert "is higher than that of the model in use is not shown: -0.2" in found.objections[0]
    assert found.objections[1].startswith("Vessel became worse: -0.2")


def test_the_same_masks_prove_nothing():
    found = proof([2] * 6, [2] * 6)
    assert found.objections == (
        "That the mean Dice is higher than that of the model in use is not shown: +0.0000 (+0.0000"
        " to +0.0000).",
    )


def test_a_gain_that_may_be_chance_proves_nothing():
    found = proof([1, 1, 1, 1, 3, 4], [2, 2, 2, 2, 2, 2])
    assert found.overall.difference.value > 0
    assert found.overall.verdict is not Verdict.BETTER
    (objection,) = found.objections
    assert "is not shown: +0.0" in objection


@pytest.mark.parametrize(("lost", "proven"), [(0.003, True), (0.007, False)])
def test_a_class_may_not_lose_much_even_if_chance_could_explain_it(lost, proven):
    changes = [-lost - 0.1, -lost + 0.1] * 3
    found = Proof(change_layer(changes))
    assert found.overall.verdict is Verdict.BETTER
    assert found.is_proven is proven
    if not proven:
        assert found.objections[0].startswith("INL may have become worse: -0.0070")


def change_layer(changes):
    """Compare two models of which the first is better, but differs so much in one layer."""
    candidate, current = (evaluate(name, [0] * 6, scheme=OCT_LAYERS) for name in ("new", "old"))
    for new, old, change in zip(candidate.images, current.images, changes, strict=True):
        new.scores[Key("dice")], old.scores[Key("dice")] = 0.82, 0.8
        new.scores[Key("dice", "INL")], old.scores[Key("dice", "INL")] = 0.8 + change, 0.8
    return compare(join_evaluations("new", [candidate]), join_evaluations("old", [current]))


def test_an_interval_needs_two_patients():
    found = proof([1] * 6, [3] * 6, groups="aaaaaa")
    assert found.classes[0].verdict is Verdict.UNKNOWN
    assert "is not shown" in found.objections[1]
    assert "too few patients for an interval" in found.objections[2]


@pytest.mark.parametrize(("groups", "chance"), [("aabbcc", "1 in 8"), ("aabbcd", "1 in 16")])
def test_a_gain_on_fewer_than_five_patients_may_be_chance(groups, chance):
    found = proof([1] * 6, [3] * 6, groups=groups)
    assert found.overall.verdict is Verdict.BETTER
    assert not found.is_proven
    assert chance in found.objections[0]
    assert proof([1] * 6, [3] * 6, groups="aabcde").is_proven


@pytest.mark.parametrize(("after", "harmless"), [([1] * 6, True), ([2] * 6, False)])
def test_what_it_loses_on_the_images_of_the_model_before_counts(after, harmless):
    found = proof([1] * 6, [3] * 6, reference=(after, [1] * 6))
    assert found.is_proven is harmless
    assert bool(found.harm) is not harmless
    if not harmless:
        assert "On the reference images Dice changed" in found.objections[0]


def test_a_class_that_gets_worse_stops_a_candidate_that_is_better_in_the_mean():
    candidate, current = (evaluate("x", [0] * 6, scheme=OCT_LAYERS) for _ in range(2))
    worse = Key("dice", "INL")
    for images, change in ((candidate.images, 0.02), (current.images, 0.0)):
        for image in images:
            image.scores[Key("dice")] = 0.8 + change
            image.scores[worse] = 0.9 - 2 * change
    better = join_evaluations("new", [candidate])
    before = join_evaluations("old", [current])
    found = Proof(compare(better, before))
    assert not found.is_proven
    assert found.objections[0].startswith("INL became worse: -0.04")


def test_a_boundary_that_moves_away_stops_a_candidate():
    found = proof([2] * 6, [0] * 6, scheme=OCT_LAYERS)
    moved = OCT_LAYERS.surfaces[2].name
    verdicts = {one.name: one.verdict for one in found.boundaries}
    assert verdicts[moved] is Verdict.WORSE
    assert f"{moved} became worse: +2.0000" in " ".join(found.objections)
    assert verdicts["columns to correct"] is Verdict.INCONCLUSIVE


def drop(images, key, numbers):
    for number in numbers:
        images[number].scores.pop(key, None)


def test_a_boundary_of_which_nothing_or_too_little_is_known_stops_a_candidate():
    name = OCT_LAYERS.surfaces[2].name
    for gone, reason in ((range(6), "No test image shows"), (range(1, 6), "too few patients")):
        pair = change_layer([0.01] * 6)
        drop(pair.first.images, Key("boundary_error_px", name), gone)
        found = Proof(compare(pair.first, pair.second))
        (objection,) = found.objections
        assert name in objection
        assert reason in objection


def test_unknown_references_are_no_proof_of_harmlessness():
    reference = change_layer([0.0] * 6)
    drop(reference.first.images, Key("dice", "INL"), range(6))
    pair = change_layer([0.01] * 6)
    found = Proof(pair, compare(reference.first, reference.second))
    assert found.objections == ("On the reference images nothing is known of Dice for INL.",)
    assert "not known of all classes" in harm_of(found)


def test_images_in_which_one_model_alone_draws_a_class_are_counted_and_left_out():
    pair = change_layer([0.01] * 6)
    key = Key("dice", "INL")
    for number, image in enumerate(pair.first.images[:2]):
        image.scores[key] = 0.0  # drawn in vain
        drop(pair.second.images, key, [number])
    drop(pair.first.images, key, [5])
    found = Proof(compare(pair.first, pair.second))
    layer = next(one for one in found.classes if one.name == "INL")
    assert (layer.only_candidate, layer.only_current) == (2, 1)
    assert layer.candidate - layer.current == pytest.approx(layer.difference.value)
    assert drawn_in_vain(found) == (
        "INL is drawn where the mask has none by the candidate alone in 2 images, by the model in"
        " use alone in 1 image: these images are not in the difference.",
    )


def test_columns_count_once_and_only_where_something_is_known():
    difference = np.zeros((2, 10))
    difference[0, :3] = 3.5
    difference[1, 2:4] = -4
    difference[:, 8:] = np.nan
    assert columns_to_correct(difference) == {Key("columns_to_correct"): 0.5}
    assert columns_to_correct(np.full((2, 3), np.nan)) == {}


def test_folds_become_one_evaluation_over_all_patients():
    first, second = evaluate("a", [1, 2, 3], groups="abc"), evaluate("b", [0, 4, 1], groups="def")
    joined = join_evaluations("all", (first, second))
    assert joined.images == first.images + second.images
    whole = evaluate("all", [1, 2, 3, 0, 4, 1])
    assert joined.means == whole.means
    np.testing.assert_array_equal(joined.matrix, whole.matrix)
    assert [case.dice for case in joined.worst] == [case.dice for case in whole.worst]
