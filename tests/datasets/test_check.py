from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.datasets.check import iter_check_dataset
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import DUKE_LAYERS, FUNDUS_VESSELS, OCT_LAYERS, OCTID_LAYERS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

PHANTOMS = [phantom_bscan(seed, 96, 128) for seed in range(6)]


def fails():
    raise ReadError("'scan.png' can't be decoded: is the file complete?")


def scan(number, group=None, split=None, pixels=None, labels=None, **others):
    """Return a phantom; ``pixels`` and ``labels`` take the place of its own."""
    pixels = PHANTOMS[number].image.pixels if pixels is None else pixels
    labels = PHANTOMS[number].labels if labels is None else labels
    values = {
        "name": f"scan{number}",
        "dataset": "set",
        "group": group or f"eye{number}",
        "modality": Modality.OCT,
        "path": Path(f"set/scan{number}.png"),
        "read_pixels": pixels if callable(pixels) else lambda: pixels,
        "read_labels": labels if callable(labels) else lambda: labels,
        "split": split,
    }
    return LabelledImage(**(values | others))


def check(*images, scheme=None):
    return finish(iter_check_dataset(images, scheme))


def problems_of(*images, scheme=None):
    return check(*images, scheme=scheme).findings


def only_problem(*images, scheme=None):
    (problem,) = problems_of(*images, scheme=scheme)
    return problem


def test_sound_data_have_no_problems():
    images = [scan(0, split="train"), scan(1, split="train"), scan(2, split="test")]
    assert problems_of(*images) == ()


def test_pixels_of_each_class_are_counted_split_by_split():
    checked = check(scan(0, split="test"), scan(1, split="train"), scan(2, split="train"))
    assert checked.splits == ("train", "test")
    counted = np.bincount(PHANTOMS[0].labels.ravel(), minlength=8)
    np.testing.assert_array_equal(checked.areas("test"), counted)
    both = Counter(PHANTOMS[1].labels.ravel().tolist()) + Counter(
        PHANTOMS[2].labels.ravel().tolist()
    )
    assert dict(enumerate(checked.areas("train").tolist())) == both


def test_grey_levels_of_8_bits_are_counted_exactly():
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 24)
    # An area of the largest value would be taken for a bar that was burnt in.
    ramp = np.random.default_rng(0).permutation(ramp).reshape(64, 96)
    dark = np.minimum(ramp, 7)
    checked = check(
        scan(0, split="train", pixels=ramp, labels=np.zeros((64, 96), np.uint8)),
        scan(1, split="test", pixels=dark, labels=np.zeros((64, 96), np.uint8)),
    )
    train, test = checked.histogram("train"), checked.histogram("test")
    assert (train.low, train.high) == (test.low, test.high) == (0, 256)
    np.testing.assert_array_equal(train.counts, np.full(64, 96))
    np.testing.assert_array_equal(test.counts[:2], [96, 64 * 96 - 96])
    assert test.counts[2:].sum() == 0


def test_grey_levels_of_other_types_share_their_bins():
    rng = np.random.default_rng(0)
    small, large = rng.random((64, 96)), rng.random((64, 96)).astype(np.float32) * 4
    small[0, 0] = np.nan
    checked = check(
        scan(0, split="train", pixels=small, labels=np.zeros((64, 96), np.uint8)),
        scan(1, split="test", pixels=large, labels=np.zeros((64, 96), np.uint8)),
    )
    train, test = checked.histogram("train"), checked.histogram("test")
    assert train.counts.sum() == 64 * 96 - 1
    assert test.counts.sum() == 64 * 96
    assert (train.low, train.high) == (test.low, test.high)
    assert train.counts[17:].sum() == 0  # a quarter of the range
    assert test.counts[17:].sum() > 0.6 * 64 * 96


@pytest.mark.parametrize(
    ("changes", "scheme"),
    [
        ({}, OCT_LAYERS),
        ({"scheme": "duke-layers"}, DUKE_LAYERS),
        ({"scheme": "octid-layers"}, OCTID_LAYERS),
        ({"modality": Modality.FUNDUS}, FUNDUS_VESSELS),
        ({"modality": Modality.UNKNOWN}, OCT_LAYERS),
    ],
)
def test_the_classes_are_those_usual_for_the_data(changes, scheme):
    assert check(scan(0, **changes), scan(1, **changes)).scheme is scheme


def test_masks_of_several_schemes_are_reported_data_set_by_data_set():
    ours = [scan(k, scheme="oct-layers") for k in range(3)]
    labels = PHANTOMS[3].labels.copy()
    labels[-3:] = 8
    others = [
        scan(k, scheme="octid-layers", dataset="octid", labels=labels if k == 3 else None)
        for k in (3, 4)
    ]
    checked = check(*others, *ours)
    assert checked.scheme is OCT_LAYERS
    (problem,) = checked.findings
    assert (problem.kind, problem.serious) == ("other classes", True)
    assert problem.images == ("octid/scan3", "octid/scan4")
    assert "'octid' hold the classes of 'octid-layers', not those of 'oct" in problem.sentence


def test_an_unstated_modality_is_guessed_from_most_images():
    photograph = np.zeros((96, 128, 3), np.uint8)
    photograph[..., 0] = np.linspace(60, 250, 128)
    images = [
        scan(0, modality=Modality.UNKNOWN, pixels=photograph),
        scan(1, modality=Modality.UNKNOWN, pixels=fails),
        scan(2, modality=Modality.UNKNOWN),
        scan(3, modality=Modality.UNKNOWN),
    ]
    found = problems_of(*images)
    assert [(problem.kind, problem.images) for problem in found] == [
        ("unreadable image", ("set/scan1",)),
        ("other modality", ("set/scan0",)),
    ]


def test_a_data_set_of_another_kind_is_reported_in_one_sentence():
    photograph = np.zeros((96, 128, 3), np.uint8)
    photograph[..., 0] = np.linspace(60, 250, 128)
    others = [
        scan(k, dataset="others", pixels=np.roll(photograph, 20 * k, axis=0) // (k - 2))
        for k in (3, 4)
    ]
    problem = only_problem(scan(0), scan(1), scan(2), *others)
    assert problem.images == ("others/scan3", "others/scan4")
    assert "All 2 images of 'others' look like fundus photographs" in problem.sentence


def test_a_corrupt_file_is_named_and_the_rest_goes_on():
    checked = check(scan(0), scan(1, pixels=fails), scan(2))
    assert [one.shape for one in checked.images] == [(96, 128), None, (96, 128)]
    (problem,) = checked.findings
    assert problem.kind == "unreadable image"
    assert problem.images == ("set/scan1",)
    assert problem.serious


def test_masks_with_an_unknown_value_are_reported_together_with_the_remap():
    drawn = np.zeros((96, 128), np.uint8)
    drawn[40:44] = 254
    images = [scan(k, labels=drawn) for k in range(3)]
    problem = only_problem(*images, scheme=FUNDUS_VESSELS)
    assert problem.images == ("set/scan0", "set/scan1", "set/scan2")
    assert problem.sentence == (
        "3 masks, first that of 'set/scan0.png', hold the value 254, which 'fundus-vessels' has no"
        " class for: if that is what they mean, add --remap 254:1."
    )


def test_masks_of_0_and_255_hold_the_one_class():
    drawn = np.zeros((96, 128), np.uint8)
    drawn[40:44] = 255
    images = [scan(k, labels=drawn) for k in range(3)]
    assert not problems_of(*images, scheme=FUNDUS_VESSELS)


def test_smoothed_masks_are_reported_together_though_their_values_differ():
    ramps = [np.tile(np.arange(k, k + 128, dtype=np.uint8), (96, 1)) for k in range(3)]
    problem = only_problem(
        *(scan(k, labels=ramp) for k, ramp in enumerate(ramps)), scheme=FUNDUS_VESSELS
    )
    assert len(problem.images) == 3
    assert "128 values from 2 to 129" in problem.sentence


def test_a_scheme_that_has_the_class_is_named():
    labels = PHANTOMS[0].labels.copy()
    labels[-3:] = 8
    problem = only_problem(scan(0, labels=labels), scan(1))
    assert "the value 8" in problem.sentence
    assert "choose the classes of 'octid-layers'" in problem.sentence


def test_an_image_of_a_stack_is_named_with_its_place():
    stack = {"path": Path("set/images.npy")}
    problem = only_problem(scan(0, labels=np.zeros((96, 128), np.uint8), **stack), scan(1, **stack))
    assert problem.kind == "empty mask"
    assert "'scan0' of 'set/images.npy'" in problem.sentence


def test_when_all_masks_are_empty_one_sentence_reports_it():
    empty = np.zeros((96, 128), np.uint8)
    problem = only_problem(scan(0, labels=empty), scan(1, labels=empty))
    assert problem.sentence.startswith("All 2 masks are background only")


def test_one_image_is_too_few():
    assert only_problem(scan(0)).kind == "too few images"


def test_one_group_is_too_few_unless_the_data_are_divided():
    problem = only_problem(scan(0, group="a"), scan(1, group="a"))
    assert problem.kind == "too few groups"
    assert "--group-pattern" in problem.sentence


def test_a_group_in_two_splits():
    problem = only_problem(
        scan(0, group="a", split="train"), scan(1, group="a", split="test"), scan(2, split="train")
    )
    assert problem.kind == "group in several splits"
    assert "'scan0' in train and 'scan1' in test" in problem.sentence
    assert problem.images == ("set/scan0", "set/scan1")


def test_nothing_to_learn_from():
    problem = only_problem(scan(0, split="val"), scan(1, split="test"))
    assert problem.kind == "no training data"


def test_a_copy_in_another_split_is_a_leak():
    problem = only_problem(
        scan(0, split="train"),
        scan(1, split="train"),
        scan(2, split="test", pixels=PHANTOMS[0].image.pixels[:, ::-1]),
    )
    assert problem.kind == "leak across splits"
    assert problem.serious
    assert problem.images == ("set/scan0", "set/scan2")
    assert "'set/scan0' (group eye0, train) and 'set/scan2' (group eye2, test)" in problem.sentence
    assert "one of them mirrored" in problem.sentence


def test_copies_that_two_groups_share_are_reported_together():
    images = [
        scan(0, "a", "train", name="a0"),
        scan(1, "a", "train", name="a1"),
        scan(0, "b", "train", name="b0"),
        scan(1, "b", "train", name="b1"),
        scan(2, "c", "test"),
    ]
    problem = only_problem(*images)
    assert problem.kind == "copies in one split"
    assert not problem.serious
    assert "are identical, as are 1 more of their groups" in problem.sentence
    assert problem.images == ("set/a0", "set/a1", "set/b0", "set/b1")


def test_copies_across_groups_that_are_not_divided_yet_are_serious():
    problem = only_problem(scan(0, "a", name="a0"), scan(0, "b", name="b0"), scan(1))
    assert problem.kind == "copies across groups"
    assert problem.serious
    assert "--groups" in problem.sentence


def test_a_class_that_only_the_test_has():
    without = np.where(PHANTOMS[0].labels == 7, 0, PHANTOMS[0].labels)
    problem = only_problem(scan(0, split="train", labels=without), scan(1, split="test"))
    assert problem.kind == "class in no training mask"
    assert "Retinal pigment epithelium (value 7)" in problem.sentence


def test_a_class_that_no_mask_has_is_worth_knowing_and_comes_last():
    labels = [np.where(PHANTOMS[k].labels == 7, 0, PHANTOMS[k].labels) for k in range(2)]
    found = problems_of(scan(0, labels=labels[0]), scan(1, labels=labels[1]), scan(2, labels=fails))
    assert [(problem.kind, problem.serious) for problem in found] == [
        ("no readable mask", True),
        ("class in no mask", False),
    ]


def test_unknown_patients_are_asked_for():
    guessed = [scan(k, group_guessed=True) for k in range(2)]
    problem = only_problem(*guessed, scan(2))
    assert (problem.kind, problem.serious) == ("patients not known", False)
    assert "Each image of 'set' is taken for a patient of its own" in problem.sentence
    assert problem.images == ("set/scan0", "set/scan1")


def test_progress_counts_the_images():
    steps = list(iter_check_dataset([scan(0), scan(1)]))
    assert [(step.done, step.total, step.message) for step in steps[:2]] == [
        (0, 2, "scan0"),
        (1, 2, "scan1"),
    ]


def test_a_check_can_be_cancelled():
    token = CancelToken()
    job = iter_check_dataset([scan(0), scan(1)], token=token)
    next(job)
    token.cancel()
    with pytest.raises(Cancelled):
        next(job)


@pytest.mark.parametrize(
    ("names", "patient"),
    [
        (("017_left", "017_right", "018_left"), "017"),
        (("P1-OD", "P1-OS", "P2-OD"), "p1"),
        (("Image_01L", "Image_01R", "Image_02L"), "image_01"),
        (("Subject1_01", "Subject1_02", "Subject2_01"), "subject1"),
        (("train_17_L", "test_17_R", "train_18_L"), "17"),
    ],
)
def test_names_of_one_patient_on_two_sides_are_reported(names, patient):
    sides = ("train", "test", "train")
    images = [
        scan(number, split=side, name=name, group=name, group_guessed=True)
        for number, (name, side) in enumerate(zip(names, sides, strict=True))
    ]
    (problem,) = [one for one in problems_of(*images) if one.serious]
    assert problem.kind == "one patient in several splits"
    assert f"are of one patient ('{patient}')" in problem.sentence
    assert problem.images == tuple(f"set/{name}" for name in names[:2])


@pytest.mark.parametrize(
    "names",
    [
        ("img_1", "img_2", "img_3"),
        ("scan1", "scan2", "scan3"),
        ("study7_1", "study7_2", "study7_3"),
        ("left_a", "right_b", "left_c"),
    ],
)
def test_numbers_of_images_are_no_patients(names):
    sides = ("train", "test", "train")
    images = [
        scan(number, split=side, name=name, group=name, group_guessed=True)
        for number, (name, side) in enumerate(zip(names, sides, strict=True))
    ]
    assert not [one for one in problems_of(*images) if one.serious]
