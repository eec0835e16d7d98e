"""Vessel numbers on drawings whose numbers are known: bands, sines, rings, forks, Koch's curve."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retina_seg.measurement.arteries import (
    artery_equivalent,
    measure_equivalents,
    vein_equivalent,
)
from napari_retina_seg.measurement.fovea import Fovea
from napari_retina_seg.measurement.fractal import box_dimension
from napari_retina_seg.measurement.regions import Disc, disc_zones, etdrs_regions
from napari_retina_seg.measurement.skeleton import paint_segments
from napari_retina_seg.measurement.units import Grid, MeasureError, photograph_grid
from napari_retina_seg.measurement.vessels import (
    measure_density,
    measure_vessels,
)
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import (
    ARTERIES_VEINS,
    FUNDUS_VESSELS,
    LabelClass,
    LabelScheme,
    vessel_values,
)

Strokes = list[np.ndarray]


def draw(strokes: Strokes, width: float, size: int = 220) -> np.ndarray:
    """Draw polylines of row and column as wide as stated: what lies within half of it."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    mask = np.zeros((size, size), bool)
    for stroke in strokes:
        for start, end in pairwise(stroke):
            step = (end - start) / np.hypot(*(end - start)) ** 2
            along = np.clip((rows - start[0]) * step[0] + (columns - start[1]) * step[1], 0, 1)
            nearest = start + along[..., None] * (end - start)
            mask |= np.hypot(rows - nearest[..., 0], columns - nearest[..., 1]) <= width / 2
    return mask


def ray(degrees: float, length: float = 80, centre: float = 110) -> np.ndarray:
    direction = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    return np.array([[centre, centre], centre + length * direction])


def line(degrees: float, length: float = 80) -> np.ndarray:
    return np.stack([ray(degrees + 180, length)[1], ray(degrees, length)[1]])


@pytest.mark.parametrize("width", [2.4, 5.5, 10.3])
@pytest.mark.parametrize("degrees", [10, 22.5, 33, 63, 101])
def test_a_slanting_band_has_its_width_to_a_fifth_of_a_pixel(width, degrees):
    (segment,) = measure_vessels(draw([line(degrees)], width)).segments
    assert segment.calibre == pytest.approx(width, abs=0.2)
    assert segment.tortuosity == pytest.approx(1, abs=0.01)
    assert segment.length == pytest.approx(160, abs=width + 3)


@pytest.mark.parametrize("width", [3.0, 10.3])
@pytest.mark.parametrize("degrees", [0, 90])
def test_along_rows_a_band_is_as_wide_as_its_pixels(width, degrees):
    """No pixel of it is half in: nothing in the mask says how wide it was between pixels."""
    mask = draw([line(degrees)], width)
    (segment,) = measure_vessels(mask).segments
    assert segment.calibre == pytest.approx(mask[110].sum() if degrees else mask[:, 110].sum())
    assert abs(segment.calibre - width) < 1


@settings(max_examples=5, deadline=None)
@given(st.floats(0, 180), st.floats(3, 9))
def test_any_band_has_its_width_within_a_pixel(degrees, width):
    (segment,) = measure_vessels(draw([line(degrees, 40)], width, 220)).segments
    assert segment.calibre == pytest.approx(width, abs=1)


@pytest.mark.parametrize("degrees", [0, 20, 45])
def test_a_sine_has_its_known_arc_and_curvature(degrees):
    amplitude, wave = 14.0, 2 * np.pi / 80
    t = np.linspace(-80, 80, 161)
    exact = np.stack([amplitude * np.sin(wave * t), t], axis=1)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    arc = np.hypot(*np.diff(exact, axis=0).T).sum()
    (segment,) = measure_vessels(draw([exact @ turn + 110], 4)).segments
    assert segment.tortuosity == pytest.approx(arc / 160, rel=0.02)
    # From each zero to the next crest it turns by the angle of its slope: eight times in two waves.
    assert segment.curvature == pytest.approx(8 * np.arctan(amplitude * wave) / arc, rel=0.1)


def test_a_ring_has_the_curvature_of_its_radius_and_no_tortuosity():
    rows, columns = np.mgrid[:160, :160] - 80
    found = measure_vessels(np.abs(np.hypot(rows, columns) - 60) <= 3)
    (segment,) = found.segments
    assert segment.length == pytest.approx(2 * np.pi * 60, rel=0.01)
    assert segment.curvature == pytest.approx(1 / 60, rel=0.03)
    assert segment.calibre == pytest.approx(6, abs=0.1)
    assert np.isnan(segment.tortuosity)
    assert not found.branchings


@pytest.mark.parametrize("degrees", [0, 13, 40])
@pytest.mark.parametrize("between", [60, 100])
def test_a_fork_has_its_known_angles(degrees, between):
    strokes = [ray(degrees + 180), ray(degrees + between / 2), ray(degrees - between / 2)]
    for width in (3, 8):
        found = measure_vessels(draw(strokes, width))
        (fork,) = found.branchings
        assert len(found.segments) == 3
        assert fork.angles == pytest.approx((between, *[180 - between / 2] * 2), abs=7)
        assert sum(fork.angles) == pytest.approx(360)
        assert (fork.row, fork.column) == pytest.approx((110, 110), abs=5)
        assert [one.calibre for one in found.segments] == pytest.approx([width] * 3, abs=1)


def test_crossing_vessels_are_no_bifurcation():
    found = measure_vessels(draw([line(0), line(50)], 6))
    (crossing,) = found.branchings
    assert crossing.is_crossing
    assert crossing.angles == pytest.approx((50, 50, 130, 130), abs=7)
    assert len(found.segments) == 4


def test_koch_curves_and_lines_have_their_dimension():
    points = np.array([0, 1 + 0j])
    for _ in range(6):
        start, step = points[:-1], np.diff(points) / 3
        corner = start + step + step * np.exp(-1j * np.pi / 3)
        parts = np.stack([start, start + step, corner, start + 2 * step], axis=1)
        points = np.append(parts.ravel(), points[-1])
    for degrees in (0, 17):
        turned = points * np.exp(1j * np.radians(degrees)) * 729
        turned -= turned.real.min() + 1j * turned.imag.min() - (2 + 2j)
        size = int(turned.imag.max()) + 4, int(turned.real.max()) + 4
        corners = np.rint(np.stack([turned.real, turned.imag], axis=1)).astype(np.int32)
        image = cv2.polylines(np.zeros(size, np.uint8), [corners], isClosed=False, color=1)
        found = box_dimension(image)
        assert found.value == pytest.approx(np.log(4) / np.log(3), abs=0.03)
        assert found.r_squared > 0.999
    line_ = np.zeros((300, 300), bool)
    line_[150, 10:290] = True
    assert box_dimension(line_).value == pytest.approx(1, abs=0.06)
    with pytest.raises(MeasureError, match="needs"):
        box_dimension(line_[:, :60])


def test_density_counts_inside_the_field_alone():
    mask = draw([line(0, 200)], 5)
    field = np.zeros(mask.shape, bool)
    field[:, :110] = True
    found = measure_vessels(mask, field=field).density
    assert found.area == pytest.approx(5 / 220)
    assert found.skeleton == pytest.approx(1 / 220, rel=0.04)
    um = measure_vessels(mask, field=field, grid=Grid(10, 10, "µm"))
    assert um.density.region_area == pytest.approx(220 * 110 * 1e-4)
    assert um.density.skeleton == pytest.approx(110 * 0.01 / (220 * 110 * 1e-4), rel=0.04)
    assert um.segments[0].calibre == pytest.approx(50)


def test_every_vessel_pixel_gets_the_number_of_its_segment():
    mask = draw([line(0), line(90)], 6)
    found = measure_vessels(mask)
    painted = paint_segments([one.path for one in found.segments], found.mask)
    np.testing.assert_array_equal(painted > 0, mask)
    assert set(np.unique(painted)) == {0, *(segment.number for segment in found.segments)}


def test_pixels_that_are_not_square_are_measured_in_micrometres():
    (along,) = measure_vessels(draw([line(0)], 5), grid=Grid(8, 10, "µm")).segments
    assert (along.calibre, along.chord) == pytest.approx((40, 1550), rel=0.04)
    (slanting,) = measure_vessels(draw([line(45)], 6), grid=Grid(8, 10, "µm")).segments
    # A band y = x of height h along the rows is h·8 µm high: its width is h·8·cos(slope).
    height = 6 * 2**0.5 * 8
    assert slanting.calibre == pytest.approx(height * np.cos(np.arctan(0.8)), rel=0.06)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((40, 40), np.uint8), {}, "The mask is empty"),
        (np.ones((40, 40), np.uint8), {"field": np.zeros((40, 40), bool)}, "The mask is empty"),
        (np.ones((40, 40), np.uint8), {"field": np.ones((40, 41), bool)}, "a field of"),
        (np.ones((2, 40, 40), np.uint8), {}, "in one plane"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(labels, options, message):
    with pytest.raises(MeasureError, match=message):
        measure_vessels(labels, **options)


@pytest.mark.parametrize("full", [1, 3])
def test_specks_and_full_masks_are_measured_without_a_crash(full):
    speck = np.zeros((30, 30), bool)
    speck[5 : 5 + full, 5] = True
    assert measure_vessels(speck).density.area == pytest.approx(full / 900)
    assert measure_vessels(np.ones((30, 30), bool)).density.area == 1


def test_a_photograph_is_in_micrometres_only_if_both_sizes_are_known():
    assert photograph_grid(Spacing.from_um(lateral=6)).unit == "px"
    assert photograph_grid(Spacing.from_um(axial=6.2, lateral=6)) == Grid(6.2, 6, "µm")
    with pytest.raises(MeasureError, match="about square"):
        photograph_grid(Spacing.from_um(axial=3.87, lateral=11.7))


def test_zones_lie_around_the_margin_of_the_disc():
    disc = Disc(100, 100, 40)
    zones = disc_zones(disc, (300, 300))
    for column, expected in ((119, []), (125, ["zone A"]), (145, ["zone B", "zone C"]),
                             (170, ["zone C"]), (201, [])):  # fmt: skip
        assert [name for name, inside in zones.items() if inside[100, column]] == expected
    found = measure_vessels(draw([line(0, 100)], 4))
    density = measure_density("zone B", found.mask, zones["zone B"][:220, :220], found.segments,
                              found.grid)  # fmt: skip
    assert 0 < density.area < 0.2
    for wrong in ((1, 1, 0), (1, 1, np.nan)):
        with pytest.raises(MeasureError, match="positive diameter"):
            Disc(*wrong)
    with pytest.raises(MeasureError, match="outside the image"):
        disc_zones(Disc(400, 1, 5), (300, 300))


def test_etdrs_regions_of_a_photograph_have_their_area():
    grid = Grid(20, 20, "µm")
    regions = etdrs_regions(Fovea(160, 160), grid, (320, 320), Laterality.LEFT)
    assert regions["central"].sum() * grid.pixel_area == pytest.approx(np.pi / 4, rel=0.02)
    assert regions["outer temporal"][160, 280]
    assert regions["inner superior"][110, 160]
    with pytest.raises(MeasureError, match="pixel size is not known"):
        etdrs_regions(Fovea(160, 160), Grid(), (320, 320), Laterality.LEFT)


def test_equivalents_follow_knudtson():
    """Six equal arteries: 0.88·√2 per round; three are left, the middle one waits a round."""
    once, twice = 0.88 * 2**0.5, 0.88 * (0.88**2 * 2 * 2) ** 0.5
    assert artery_equivalent([1] * 6) == pytest.approx(0.88 * np.hypot(once, twice))
    assert vein_equivalent([10] * 6) == pytest.approx(10 * vein_equivalent([1] * 6))
    # Only the six widest count.
    assert artery_equivalent([9, 1, 8, 7, 6, 5, 4, 2]) == artery_equivalent([9, 8, 7, 6, 5, 4])
    with pytest.raises(MeasureError, match="there are 5"):
        artery_equivalent([1, 2, 3, 4, 5, np.nan])


def test_a_mask_of_vessels_only_has_no_equivalents():
    disc = Disc(110, 110, 40)
    found = measure_vessels(draw([line(0), line(90)], 4))
    with pytest.raises(MeasureError, match="tells arteries from veins"):
        measure_equivalents(found, disc)
    labels = np.zeros((220, 220), np.uint8)
    for k in range(12):
        labels[draw([ray(30 * k + 3)[:] + 0.01], 4 + 2 * (k % 2))] = 1 + k % 2
    labels[np.hypot(*(np.mgrid[:220, :220] - 110)) < 30] = 0  # they meet in the disc, unseen
    both = measure_vessels(labels, {1: "Artery", 2: "Vein"})
    undecided = labels.copy()
    undecided[draw([ray(3)], 4)] = 3  # neither; there are five arteries left
    kinds = vessel_values(ARTERIES_VEINS)
    with pytest.raises(MeasureError, match="there are 5"):
        measure_equivalents(measure_vessels(undecided, kinds), disc)
    found = measure_equivalents(both, disc)
    assert found.crae == pytest.approx(artery_equivalent([4] * 6), rel=0.08)
    assert found.crve == pytest.approx(vein_equivalent([6] * 6), rel=0.08)
    assert found.avr == pytest.approx(found.crae / found.crve)


def test_vessels_are_known_by_the_names_of_their_classes():
    assert vessel_values(FUNDUS_VESSELS) == {1: "Vessel"}
    scheme = LabelScheme("av", tuple(
        LabelClass(k, name, name, "#ffffff")
        for k, name in enumerate(("Background", "Arteries", "Veins", "Haemorrhage"))
    ))  # fmt: skip
    assert vessel_values(scheme) == {1: "Arteries", 2: "Veins"}
