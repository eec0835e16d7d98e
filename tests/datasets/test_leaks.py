from pathlib import Path

import cv2
import numpy as np
import pytest

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.leaks import Relation, fingerprint, iter_copies
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish


def scan(seed: int) -> np.ndarray:
    return phantom_bscan(seed, 160, 200).image.pixels


def copies_of(*images):
    """Look for copies among ``(pixels, group, split)``."""
    listed = [
        LabelledImage(
            f"{place}", "set", group, Modality.OCT, Path("x"), lambda: 0, lambda: 0, split
        )
        for place, (_, group, split) in enumerate(images)
    ]
    prints = [None if pixels is None else fingerprint(pixels) for pixels, _, _ in images]
    return finish(iter_copies(listed, prints))


def noisy(pixels):
    noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


ALTERED = {
    "resized": lambda pixels: cv2.resize(pixels, (100, 80), interpolation=cv2.INTER_AREA),
    "recompressed": lambda pixels: cv2.imdecode(
        cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_GRAYSCALE
    ),
    "brightened": lambda pixels: cv2.convertScaleAbs(pixels, alpha=0.7, beta=30),
    "16 bit": lambda pixels: pixels.astype(np.uint16) * 200,
    "in colours": lambda pixels: np.dstack([pixels] * 3),
    "float with a hole": lambda pixels: np.where(
        np.indices(pixels.shape).sum(axis=0) == 0, np.nan, pixels / 255
    ),
    "noisy": noisy,
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_an_altered_copy_is_found_across_splits(alter):
    (copy,) = copies_of(
        (scan(0), "a", "train"), (scan(1), "b", "train"), (alter(scan(0)), "c", "test")
    )
    assert (copy.first, copy.second) == (0, 2)
    assert copy.relation is Relation.OTHER_SPLIT
    assert not copy.identical
    assert 0.95 <= copy.similarity <= 1
    assert copy.turn == ""


@pytest.mark.parametrize(
    ("turn", "name"),
    [
        (lambda pixels: pixels[:, ::-1], "mirrored"),
        (lambda pixels: pixels[::-1], "upside down"),
        (lambda pixels: pixels[::-1, ::-1], "turned by 180°"),
    ],
)
def test_a_turned_copy_is_found_and_its_turn_named(turn, name):
    (copy,) = copies_of((scan(0), "a", "train"), (turn(scan(0)), "b", "test"))
    assert copy.turn == name
    assert not copy.identical


def test_different_scans_are_no_copies():
    assert copies_of(*((scan(seed), f"{seed}", "train") for seed in range(8))) == ()


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        (("a", "train"), ("b", "test"), Relation.OTHER_SPLIT),
        (("a", "train"), ("a", "test"), Relation.OTHER_SPLIT),
        (("a", None), ("b", None), Relation.UNDIVIDED_GROUPS),
        (("a", "train"), ("b", None), Relation.UNDIVIDED_GROUPS),
        (("a", "train"), ("b", "train"), Relation.OTHER_GROUP),
        (("a", "train"), ("a", "train"), Relation.SAME_GROUP),
        (("a", None), ("a", None), Relation.SAME_GROUP),
    ],
)
def test_what_a_copy_means_depends_on_where_it_is(first, second, relation):
    (copy,) = copies_of((scan(0), *first), (scan(0), *second))
    assert copy.identical
    assert copy.similarity == 1, "by definition, however the sums are rounded"
    assert copy.relation is relation


def test_nearly_identical_scans_of_one_group_are_neighbours():
    assert copies_of((scan(0), "a", "train"), (noisy(scan(0)), "a", "train")) == ()


def test_of_several_copies_the_worst_is_reported():
    found = copies_of((scan(0), "a", "train"), (scan(0), "b", "test"), (scan(0), "b", "test"))
    assert [(copy.first, copy.second) for copy in found] == [(0, 1), (0, 2)]
    assert {copy.relation for copy in found} == {Relation.OTHER_SPLIT}


def test_images_that_show_nothing_are_no_copies_of_one_another():
    blank = np.zeros((64, 64), np.uint8)
    assert (
        copies_of(
            (None, "a", "train"), (None, "b", "test"), (blank, "c", "train"), (blank, "d", "test")
        )
        == ()
    )


def test_more_images_than_one_block_holds():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (64, 64), np.uint8) for _ in range(300)]
    images[290] = images[3]
    found = copies_of(*((pixels, f"{k}", None) for k, pixels in enumerate(images)))
    assert [(copy.first, copy.second) for copy in found] == [(3, 290)]


def test_nothing_to_compare():
    assert copies_of() == ()


def test_looking_for_copies_can_be_cancelled():
    token = CancelToken()
    token.cancel()
    image = LabelledImage("0", "set", "a", Modality.OCT, Path("x"), lambda: 0, lambda: 0)
    with pytest.raises(Cancelled):
        finish(iter_copies([image], [fingerprint(scan(0))], token))
