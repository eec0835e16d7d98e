"""Two graders of phantoms, one with a known error."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.metrics.agreement import AgreementAccumulator, Gradability, GradedImage
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

ROWS, COLUMNS = 96, 128


def image(number, axial_um=None):
    return GradedImage(number, f"scan{number}", f"patient{number}", "Ann", "Bob", axial_um)


def reading(heights, **more):
    return Annotation(to_labels(heights, ROWS), heights, **more)


def compare(shifts, axial_um=None):
    """Have the second grader draw boundary 3 (INL-OPL) deeper, by so many px in each image."""
    tally = AgreementAccumulator(OCT_LAYERS)
    for number, shift in enumerate(shifts):
        first = phantom_bscan(number, ROWS, COLUMNS).heights
        second = first.copy()
        second[3] += shift
        tally.add(image(number, axial_um), reading(first), reading(second))
    return tally.result(Gradability(both=len(shifts)))


def test_who_agrees_in_all_agrees_perfectly():
    found = compare([0, 0, 0], axial_um=3.0)
    assert found.means[Key("dice")].value == found.means[Key("kappa")].value == 1
    for boundary in (*found.boundaries, *found.boundaries_um):
        assert (boundary.bias, boundary.absolute, boundary.low, boundary.high) == (0, 0, 0, 0)
        assert boundary.columns == 3 * COLUMNS
    for size in found.sizes:
        assert size.icc.value == pytest.approx(1)
        assert size.bland_altman.bias == pytest.approx(0)


def test_a_boundary_that_is_drawn_deeper_shows_where_and_by_how_much():
    found = compare([0.5, 0.7], axial_um=10.0)
    assert (found.size, found.unit) == ("mean thickness", "µm")
    by_name = {one.name: one for one in found.boundaries_um}
    assert by_name["INL-OPL"].bias == pytest.approx(6, abs=1e-3)
    assert by_name["INL-OPL"].absolute == pytest.approx(6, abs=1e-3)
    spread = 1.96 * np.std([5.0] * COLUMNS + [7.0] * COLUMNS, ddof=1)
    assert by_name["INL-OPL"].high == pytest.approx(6 + spread, abs=1e-2)
    assert by_name["IPL-INL"].bias == 0
    sizes = {one.name: one.bland_altman for one in found.sizes}
    assert sizes["INL"].bias == pytest.approx(6, abs=1e-3)
    assert sizes["OPL"].bias == pytest.approx(-6, abs=1e-3)
    assert sizes["INL"].high - sizes["INL"].low == pytest.approx(2 * 1.96 * np.sqrt(2), abs=1e-2)
    assert sizes["RNFL"].bias == 0


def test_the_worst_image_comes_first():
    found = compare([0.2, 1.5, 0.8])
    assert [one.image.number for one in found.images] == [1, 2, 0]
    assert found.images[0].dice < found.images[1].dice
    assert (found.unit, found.boundaries_um) == ("px", ())


def test_one_image_is_too_few_for_an_icc():
    found = compare([0.2])
    assert found.sizes[0].icc is None
    assert found.sizes[0].bland_altman is None
    assert found.means[Key("kappa")].low is None


def test_no_image_at_all_is_no_error():
    found = AgreementAccumulator(OCT_LAYERS).result(Gradability(neither=2))
    assert (found.images, found.means, found.boundaries, found.sizes) == ((), {}, (), ())


def test_what_either_finds_questionable_counts_only_for_the_kappa_of_all():
    first = phantom_bscan(0, ROWS, COLUMNS).heights
    second = first.copy()
    second[:, :20] += 4
    doubtful = np.zeros((ROWS, COLUMNS), bool)
    doubtful[:, :20] = True
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(image(0), reading(first), reading(second, ignore=doubtful))
    means = tally.result(Gradability(both=1)).means
    assert means[Key("kappa_sure")].value == 1
    assert means[Key("kappa")].value < 0.97
    assert means[Key("dice")].value < 1


def test_boundaries_are_read_off_a_mask_that_has_none():
    first = phantom_bscan(0, ROWS, COLUMNS).heights
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(image(0), reading(np.rint(first)), replace(reading(first), boundaries=None))
    assert all(one.absolute == 0 for one in tally.result(Gradability(both=1)).boundaries)


def test_a_volume_is_one_image():
    phantom = phantom_volume(0, 3, ROWS, COLUMNS)
    drawn = Annotation(phantom.labels, phantom.heights)
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(image(0), drawn, drawn)
    found = tally.result(Gradability(both=1))
    assert found.boundaries[0].columns == 3 * COLUMNS
    thickness = np.diff(phantom.heights, axis=1).mean(axis=(0, 2))
    assert found.images[0].sizes[0] == pytest.approx(thickness, rel=1e-4)


def test_vessels_are_compared_by_their_area():
    tally = AgreementAccumulator(FUNDUS_VESSELS)
    for number in range(3):
        first = np.zeros((10, 10), np.uint8)
        first[: 2 + number] = 1
        second = first.copy()
        second[2 + number, :5] = 1
        tally.add(image(number), Annotation(first), Annotation(second))
    found = tally.result(Gradability(both=3))
    (vessels,) = found.sizes
    assert (found.size, found.unit, found.boundaries) == ("area", "% of the image", ())
    assert vessels.bland_altman.bias == pytest.approx(5)
    assert sorted(vessels.first) == [20, 30, 40]
    assert found.means[Key("dice")].value == pytest.approx(
        np.mean([2 * n / (2 * n + 5) for n in (20, 30, 40)])
    )


def test_gradings_of_images_of_unlike_pixel_size_are_compared_in_micrometres():
    tally = AgreementAccumulator(OCT_LAYERS)
    for number, um in enumerate((2.0, 6.0)):
        first = phantom_bscan(number, ROWS, COLUMNS).heights
        second = first.copy()
        second[0] -= 1
        tally.add(image(number, um), reading(first), reading(second))
    found = tally.result(Gradability(both=2))
    (in_px,) = (one for one in found.boundaries if one.name == "ILM")
    (in_um,) = (one for one in found.boundaries_um if one.name == "ILM")
    assert (in_px.bias, in_px.absolute) == pytest.approx((-1, 1), abs=1e-5)
    assert (in_um.bias, in_um.absolute) == pytest.approx((-4, 4), abs=1e-4)
    sizes = {one.image.number: np.diff(one.sizes, axis=0)[0, 0] for one in found.images}
    assert sizes == pytest.approx({0: 2, 1: 6}, abs=1e-3)


def test_one_unknown_pixel_size_leaves_all_in_px():
    tally = AgreementAccumulator(OCT_LAYERS)
    for number, um in enumerate((2.0, None)):
        drawn = reading(phantom_bscan(number, ROWS, COLUMNS).heights)
        tally.add(image(number, um), drawn, drawn)
    found = tally.result(Gradability(both=2))
    assert (found.unit, found.boundaries_um) == ("px", ())
    thickness = {one.image.number: one.sizes[0] for one in found.images}
    for number in (0, 1):
        expected = np.diff(phantom_bscan(number, ROWS, COLUMNS).heights, axis=0).mean(axis=1)
        assert thickness[number] == pytest.approx(expected, rel=1e-4)


def test_thickness_is_that_of_the_columns_in_which_both_graders_drew():
    first = np.linspace(10, 80, 8)[:, np.newaxis] + np.zeros(COLUMNS)
    first = first.astype(np.float32)
    first[1:, 100:] += 20  # a thicker RNFL, which the second grader does not draw
    second = first.copy()
    second[:, 100:] = np.nan
    blank = np.zeros((ROWS, COLUMNS), np.uint8)
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(image(0), Annotation(blank, first), Annotation(blank, second))
    found = tally.result(Gradability(both=1))
    assert found.images[0].sizes[:, 0] == pytest.approx([10, 10])
    assert found.boundaries[0].columns == 100


def test_a_boundary_that_only_one_grader_drew_has_no_difference():
    first = phantom_bscan(0, ROWS, COLUMNS).heights
    second = first.copy()
    second[2] = np.nan
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(
        image(0),
        Annotation(to_labels(first, ROWS), first),
        Annotation(to_labels(first, ROWS), second),
    )
    found = tally.result(Gradability(both=1)).boundaries[2]
    assert found.columns == 0
    assert np.isnan([found.bias, found.absolute, found.low, found.high]).all()


def test_what_the_first_grader_finds_questionable_is_left_out_as_well():
    first = phantom_bscan(0, ROWS, COLUMNS).heights
    second = first.copy()
    second[:, :20] += 4
    second[:, -20:] += 4
    left, right = np.zeros((2, ROWS, COLUMNS), bool)
    left[:, :20] = True
    right[:, -20:] = True
    tally = AgreementAccumulator(OCT_LAYERS)
    tally.add(image(0), reading(first, ignore=left), reading(second, ignore=right))
    tally.add(image(1), reading(first), reading(second))
    one, other = (found.scores for found in tally.result(Gradability(both=2)).images)
    assert one[Key("kappa_sure")] == 1
    assert one[Key("kappa")] == other[Key("kappa")] == other[Key("kappa_sure")] < 1


def test_only_images_called_gradable_or_not_are_counted():
    assert Gradability() == Gradability(both=0, only_first=0, only_second=0, neither=0)
