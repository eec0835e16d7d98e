"""Masks of other images, shifted, turned and inverted ones, in data sets of six images."""

import numpy as np
import pytest
from skimage.data import retina

from napari_retina_seg.datasets.alignment import SQUARE_TURNS, fit, make_pattern
from napari_retina_seg.datasets.check import iter_check_dataset
from napari_retina_seg.datasets.findings import FindingKind
from napari_retina_seg.editing.vessels import local_darkness
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import finish

MISFITS = {FindingKind.OTHER_MASK, FindingKind.SHIFTED, FindingKind.TURNED, FindingKind.INVERTED}
SCANS = [
    (phantom.image.pixels, phantom.labels)
    for phantom in (phantom_bscan(seed, 160, 256) for seed in range(6))
]


def _photographs():
    """Cut six squares out of a photograph; what is much darker than its surroundings is vessel."""
    whole = retina()
    vessel = (local_darkness(whole) > 0.45).astype(np.uint8)
    corners = [(300, 300), (300, 620), (620, 300), (620, 620), (460, 200), (460, 760)]
    cuts = [(slice(row, row + 320), slice(column, column + 320)) for row, column in corners]
    return [(whole[cut], vessel[cut]) for cut in cuts]


PHOTOGRAPHS = _photographs()


@pytest.fixture
def find(make_image):
    """Return a check of pairs of pixels and labels: the faults of each, and the problems."""

    def check(pairs, scheme, **changes):
        images = [
            make_image(
                f"img_{number}",
                read_pixels=lambda pixels=pixels: pixels,
                read_labels=lambda labels=labels: labels,
                **changes,
            )
            for number, (pixels, labels) in enumerate(pairs)
        ]
        result = finish(iter_check_dataset(images, scheme))
        faults = [MISFITS & checked.kinds for checked in result.images]
        problems = [one for one in result.findings if one.kind in MISFITS]
        return faults, problems

    return check


@pytest.mark.parametrize(
    ("pairs", "scheme"),
    [(PHOTOGRAPHS, FUNDUS_VESSELS), (SCANS, OCT_LAYERS)],
    ids=["vessels", "oct"],
)
def test_sound_masks_raise_no_alarm(find, pairs, scheme):
    assert find(pairs, scheme) == ([set()] * 6, [])


def test_angiograms_with_bright_vessels_raise_no_alarm(find):
    bright = [(255 - pixels, labels) for pixels, labels in PHOTOGRAPHS]
    assert find(bright, FUNDUS_VESSELS) == ([set()] * 6, [])


@pytest.mark.parametrize(
    ("pairs", "scheme"),
    [(PHOTOGRAPHS, FUNDUS_VESSELS), (SCANS, OCT_LAYERS)],
    ids=["vessels", "oct"],
)
def test_masks_of_other_images_are_found_and_their_images_named(find, pairs, scheme):
    swapped = [(pixels, pairs[(k + 1) % 6][1]) for k, (pixels, _) in enumerate(pairs)]
    faults, (problem,) = find(swapped, scheme)
    assert faults == [{FindingKind.OTHER_MASK}] * 6
    assert problem.serious
    assert "6 of 6 masks of 'set'" in problem.sentence
    assert "fits it less well than that of 'img_5'" in problem.sentence


def test_two_masks_that_changed_places_are_reported_one_by_one(find):
    pairs = list(PHOTOGRAPHS)
    pairs[1], pairs[4] = (pairs[1][0], pairs[4][1]), (pairs[4][0], pairs[1][1])
    faults, problems = find(pairs, FUNDUS_VESSELS)
    assert [place for place, found in enumerate(faults) if found] == [1, 4]
    assert [problem.images for problem in problems] == [("set/img_1",), ("set/img_4",)]


def test_vessels_of_an_image_that_is_not_there_fit_by_chance(find):
    strange = PHOTOGRAPHS[5][1]
    faults, (problem,) = find([*PHOTOGRAPHS[:4], (PHOTOGRAPHS[4][0], strange)], FUNDUS_VESSELS)
    assert faults == [*[set()] * 4, {FindingKind.OTHER_MASK}]
    assert "no better than by chance" in problem.sentence


@pytest.mark.parametrize("turn", SQUARE_TURNS)
def test_a_turned_vessel_mask_is_found_and_its_turn_named(find, turn):
    turned = [
        (np.ascontiguousarray(SQUARE_TURNS[turn](pixels[..., 1])), labels)
        for pixels, labels in PHOTOGRAPHS
    ]
    faults, (problem,) = find(turned, FUNDUS_VESSELS, modality=Modality.FUNDUS)
    assert faults == [{FindingKind.TURNED}] * 6
    assert f"fits better {turn}" in problem.sentence


def test_layers_upside_down_are_found(find):
    faults, _ = find([(pixels, labels[::-1]) for pixels, labels in SCANS], OCT_LAYERS)
    assert faults == [{FindingKind.TURNED}] * 6


def test_scans_that_are_upside_down_with_their_masks_are_found(find):
    faults, (problem,) = find(
        [(pixels[::-1], labels[::-1]) for pixels, labels in SCANS], OCT_LAYERS
    )
    assert faults == [{FindingKind.INVERTED}] * 6
    assert "turn image and mask upright" in problem.sentence


@pytest.mark.parametrize(("rows", "columns"), [(12, 0), (-9, 5), (0, 16)])
def test_shifted_vessels_are_found_and_the_way_back_reported(find, rows, columns):
    shifted = [(pixels, np.roll(labels, (rows, columns), (0, 1))) for pixels, labels in PHOTOGRAPHS]
    faults, (problem,) = find(shifted, FUNDUS_VESSELS)
    assert faults == [{FindingKind.SHIFTED}] * 6
    if rows:
        way, back = ("up" if rows > 0 else "down"), abs(rows)
        said = problem.sentence.split(" moved ")[1].split(" px ")[0]
        assert abs(int(said) - back) <= 2
        assert f"px {way}" in problem.sentence
    if columns:
        assert "px to the left" in problem.sentence


def test_shifted_layers_are_found(find):
    faults, problems = find(
        [(pixels, np.roll(labels, 8, 0)) for pixels, labels in SCANS], OCT_LAYERS
    )
    assert faults == [{FindingKind.SHIFTED}] * 6
    assert "moved 8 px up" in problems[0].sentence


def test_inverted_vessels_are_found_with_the_remedy(find):
    faults, (problem,) = find(
        [(pixels, 1 - labels) for pixels, labels in PHOTOGRAPHS], FUNDUS_VESSELS
    )
    assert faults == [{FindingKind.INVERTED}] * 6
    assert "--remap 0:1 --remap 1:0" in problem.sentence


def test_one_inverted_photograph_among_others_is_found(find):
    pairs = [(255 - PHOTOGRAPHS[0][0], PHOTOGRAPHS[0][1]), *PHOTOGRAPHS[1:]]
    faults, _ = find(pairs, FUNDUS_VESSELS)
    assert faults == [{FindingKind.INVERTED}, *[set()] * 5]


@pytest.mark.parametrize(
    "swap", [lambda labels: 7 - labels, lambda labels: np.where(labels, 8 - labels, 0)]
)
def test_layers_with_swapped_values_are_found(find, swap):
    swapped = [(pixels, swap(labels).astype(np.uint8)) for pixels, labels in SCANS]
    faults, _ = find(swapped, OCT_LAYERS)
    assert faults == [{FindingKind.INVERTED}] * 6


def _lesions(number):
    """Return a phantom with faint dark spots, and their mask."""
    rng = np.random.default_rng(number)
    pixels, labels = SCANS[number % 6]
    mask = np.zeros(labels.shape, np.uint8)
    rows, columns = np.nonzero(labels)
    for spot in rng.choice(len(rows), 4):
        top, left = rows[spot], columns[spot]
        mask[top : top + 9, left : left + 14] = 1
    return np.where(mask, pixels * 0.6, pixels).astype(pixels.dtype), mask


def test_faint_structures_are_judged_together(find):
    sound = [_lesions(number) for number in range(8)]
    assert not any(find(sound, OCT_LAYERS)[0])
    turned = [(pixels, np.ascontiguousarray(mask[:, ::-1])) for pixels, mask in sound]
    faults, (problem,) = find(turned, OCT_LAYERS)
    assert faults == [{FindingKind.OTHER_MASK}] * 8
    assert "no better than they do shifted or mirrored" in problem.sentence


def test_fit_of_two_classes_is_the_correlation_coefficient():
    pixels, labels = PHOTOGRAPHS[0]
    pattern = make_pattern(pixels, labels)
    expected = np.corrcoef(pattern.detail.astype(np.float32).ravel(), pattern.mask.ravel())[0, 1]
    # The share of a class in a shrunk pixel is no whole number, so that the two differ a little.
    assert fit(pattern, pattern) == pytest.approx(expected, rel=0.15)
    assert fit(pattern, pattern) < 0


def test_nothing_is_compared_where_there_is_nothing_to_compare():
    pixels, labels = PHOTOGRAPHS[0]
    assert make_pattern(pixels, np.zeros_like(labels)) is None
    assert make_pattern(pixels, labels[:-1]) is None
