"""The order by expected gain: what counts, that it is spread, and that it says why."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retina_seg.metrics.expected_gain import (
    Candidate,
    Corrected,
    ReviewFigures,
    find_difference,
    suggest,
)


def one(number, uncertain=0.1, group=None, features=None, **more):
    """Return an image that is like no other one."""
    own = tuple(np.random.default_rng(number).normal(size=6)) if features is None else features
    warned = more.pop("warned", False)
    figures = ReviewFigures(uncertain, features=own, **more)
    return Candidate(number, group or f"patient {number}", uncertain, figures, warned=warned)


def order(candidates, corrected=(), *, layered=True):
    return [each.id for each in suggest(candidates, corrected, layered=layered)]


def reason(candidates, number, corrected=(), *, layered=True):
    found = suggest(candidates, corrected, layered=layered)
    return next(each.reason for each in found if each.id == number)


def test_the_most_uncertain_comes_first_and_says_so():
    images = [one(1, 0.04), one(2, 0.30), one(3, 0.12)]
    assert order(images) == [2, 3, 1]
    assert reason(images, 2) == "uncertain in 30% of columns"
    assert reason(images, 2, layered=False) == "uncertain in 30% of the drawn pixels"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"differs": 0.2, "differs_from": "the mask of older"}, "20% unlike the mask of older"),
        ({"implausible": 0.08, "place": "INL is missing"}, "INL is missing (8% of columns)"),
        ({"warned": True}, "unlike what the model learnt from"),
    ],
)
def test_each_figure_brings_an_image_forward_and_is_named(more, words):
    usual = {"differs": 0.01, "differs_from": "the mask of older"} if "differs" in more else {}
    images = [one(1, **usual), one(2, **more), one(3, **usual)]
    assert order(images)[0] == 2
    assert words in reason(images, 2)
    assert words not in reason(images, 1)


def test_an_image_unlike_the_corrected_ones_comes_before_those_like_them():
    corrected = [Corrected(f"c{i}", (0.1 * i, 0.0)) for i in range(5)]
    images = [one(i, features=(0.1 * i + 0.05, 0.0)) for i in range(1, 4)]
    images.append(one(9, features=(4.0, 3.0)))
    assert order(images, corrected)[0] == 9
    assert reason(images, 9, corrected).endswith("unlike the corrected images")
    assert "unlike" not in reason(images, 9, corrected[:2])  # two show too little


def test_not_five_images_of_one_patient():
    worst = [one(i, 0.3 + i / 100, group="Ann") for i in range(6)]
    others = [one(10 + i, 0.2, group=f"patient {i}") for i in range(4)]
    first = order([*worst, *others])[:5]
    assert first[0] == 5
    assert sum(number < 6 for number in first) <= 2


def test_a_patient_who_was_corrected_already_waits_for_the_others():
    images = [one(1, 0.21, group="Ann"), one(2, 0.2, group="Bob")]
    assert order(images) == [1, 2]
    assert order(images, [Corrected("Ann")]) == [2, 1]


def test_not_twenty_neighbours_of_one_volume():
    rng = np.random.default_rng(0)
    slices = [one(i, 0.3, features=tuple(rng.normal(0, 0.01, 6))) for i in range(20)]
    others = [one(100 + i, 0.15) for i in range(6)]
    found = order([*slices, *others])
    assert sum(number < 20 for number in found[:5]) <= 1
    assert "like #" in reason([*slices, *others], found[-1])


def test_predictions_without_figures_are_ordered_by_their_mean_uncertainty():
    images = [Candidate(i, f"{i}", value) for i, value in enumerate((0.1, 0.4, 0.2, None))]
    assert order(images) == [1, 2, 0, 3]
    assert reason(images, 1) == "mean uncertainty 0.40"
    assert reason(images, 3) == "no prediction with probabilities yet"


def test_what_is_not_known_of_an_image_neither_helps_nor_harms_it():
    known = [one(i, 0.1 + i / 100) for i in range(1, 10)]
    middle = Candidate(50, "50", 0.15)
    place = order([*known, middle]).index(50)
    assert 2 <= place <= 7


def test_where_all_is_well_that_is_said():
    images = [one(1, 0.001), one(2, 0.002)]
    assert {each.reason for each in suggest(images, (), layered=True)} == {
        "the model is sure of its mask"
    }


def test_nothing_is_suggested_of_nothing():
    assert suggest((), (), layered=True) == ()
    assert order([Candidate(1, "a", None)]) == [1]


def test_figures_of_another_version_or_broken_ones_are_like_none():
    images = [
        one(1, 0.1),
        one(2, 0.1),
        one(3, 0.1, features=(1.0,)),
        one(4, 0.1, features=(np.nan,) * 6),
        one(5, np.nan),
    ]
    assert sorted(order(images)) == [1, 2, 3, 4, 5]


figures = st.builds(
    ReviewFigures,
    uncertain=st.floats(0, 1),
    implausible=st.floats(0, 1),
    differs=st.none() | st.floats(0, 1),
    features=st.tuples(st.floats(-1e6, 1e6), st.floats(-1, 1)) | st.just(()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(figures, st.sampled_from("abc"), st.booleans()), max_size=12))
def test_all_have_a_place_and_no_gain_is_above_that_of_an_image_before(drawn):
    images = [
        Candidate(number, group, 0.2, each, warned=warned)
        for number, (each, group, warned) in enumerate(drawn)
    ]
    found = suggest(images, [Corrected("a", (0.0, 0.0))] * 4, layered=True)
    assert sorted(each.id for each in found) == list(range(len(images)))
    gains = [each.gain for each in found]
    assert gains == sorted(gains, reverse=True)
    assert all(0 <= gain <= 1 for gain in gains)
    assert all(each.reason for each in found)


def test_the_difference_of_two_masks_is_one_less_the_mean_dice_of_the_drawn_classes():
    one_mask = np.array([[0, 1, 1, 2]], np.uint8)
    other = np.array([[0, 1, 2, 2]], np.uint8)
    assert find_difference(one_mask, one_mask, 4) == 0
    assert find_difference(one_mask, other, 4) == pytest.approx(1 - 2 / 3)
    assert find_difference(np.zeros_like(other), np.zeros_like(other), 4) == 0
