"""Fovea, ETDRS grid and differences of two scans on maps whose values are known."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_volume
from napari_retina_seg.measurement.comparison import compare_grids, compare_maps
from napari_retina_seg.measurement.etdrs import measure_etdrs
from napari_retina_seg.measurement.fovea import FOUND, Fovea, find_fovea, state_fovea
from napari_retina_seg.measurement.orientation import Orientation, scan_orientation
from napari_retina_seg.measurement.thickness import Thickness, measure_thickness
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.acquisition import Acquisition, EnFace, LinePath
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Laterality, Placement, RetinaImage, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

SPACING = Spacing.from_um(axial=3.9, lateral=50.0, slice=125.0)
SHAPE = (61, 141)  # 7.6 × 7.05 mm
CENTRE = Fovea(30, 70)
DOWN = Orientation(first_is_superior=True)


def grid_of(thickness, **options):
    return measure_etdrs(thickness, options.pop("spacing", SPACING), CENTRE, **options)


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Return y and x in µm from the fovea."""
    y = (np.arange(SHAPE[0]) - 30)[:, None] * 125.0
    return np.broadcast_arrays(y, (np.arange(SHAPE[1]) - 70) * 50.0)


def test_a_flat_map_has_its_thickness_everywhere():
    found = grid_of(np.full(SHAPE, 300.0))
    assert [subfield.mean for subfield in found.subfields] == pytest.approx([300.0] * 10)
    assert [subfield.covered for subfield in found.subfields] == [1.0] * 10
    areas = {"central": np.pi / 4, "total": np.pi * 9}
    for name, area in areas.items():
        assert found.find(name).area_mm2 == pytest.approx(area, rel=2e-3)
        assert found.find(name).volume_mm3 == pytest.approx(0.3 * area, rel=2e-3)
    inner = [subfield.area_mm2 for subfield in found.subfields[1:5]]
    assert inner == pytest.approx([np.pi * 2 / 4] * 4, rel=2e-3)
    parts = sum(subfield.volume_mm3 for subfield in found.subfields[:9])
    assert parts == pytest.approx(found.find("total").volume_mm3, rel=1e-9)


def test_a_slanting_map_has_the_mean_at_the_centroid_of_each_sector():
    """The centroid of a quarter ring is 4√2 (R³ - r³) / (3π (R² - r²)) from the centre."""
    y, x = coordinates()
    found = grid_of(300 + x / 100 + y / 50, laterality=Laterality.RIGHT, orientation=DOWN)
    for ring, low, high in (("inner", 500, 1500), ("outer", 1500, 3000)):
        centroid = 4 * 2**0.5 * (high**3 - low**3) / (3 * np.pi * (high**2 - low**2))
        for side, slope in (("nasal", 1 / 100), ("temporal", -1 / 100),
                            ("inferior", 1 / 50), ("superior", -1 / 50)):  # fmt: skip
            expected = 300 + slope * centroid
            assert found.find(f"{ring} {side}").mean == pytest.approx(expected, abs=0.1)
    assert found.find("central").mean == pytest.approx(300, abs=0.01)


def test_nasal_and_temporal_swap_between_the_eyes():
    _, x = coordinates()
    right, left = (
        grid_of(300 + x / 100, laterality=eye) for eye in (Laterality.RIGHT, Laterality.LEFT)
    )
    assert right.find("outer nasal").mean > 300 > right.find("outer temporal").mean
    assert left.find("outer nasal").mean == right.find("outer temporal").mean


def test_sides_that_are_not_known_are_not_named():
    names = {subfield.name for subfield in grid_of(np.full(SHAPE, 300.0)).subfields}
    assert not any(side in name for name in names
                   for side in ("nasal", "temporal", "superior", "inferior"))  # fmt: skip
    assert "inner first-column side" in names
    up = Orientation(first_is_superior=False).sides(Laterality.UNKNOWN)
    assert (up["first"], up["left"]) == ("inferior", "first-column side")
    vertical = Orientation(first_is_left=None).sides(Laterality.RIGHT)
    assert vertical["left"] == "first-column side"


def scan(**known) -> RetinaImage:
    return RetinaImage(np.zeros((2, 8, 9), np.uint8), **known)


def test_a_placement_says_which_way_a_scan_runs():
    axes = np.diag([1.0, 1.0, 1.0, 1.0])
    axes[:3, :3] = np.array([[0, 0, 0.01], [0, 0.004, 0], [-0.12, 0, 0]])
    found = scan_orientation(scan(placement=Placement(axes)))
    assert (found.first_is_superior, found.first_is_left, found.origin) == (True, True, "file")
    axes[:3, :3] = np.array([[0.12, 0, 0], [0, 0.004, 0], [0, 0, 0.01]])  # vertical scans
    found = scan_orientation(scan(placement=Placement(axes)))
    assert (found.first_is_superior, found.first_is_left) == (None, None)
    assert scan_orientation(scan()).first_is_superior is None


@pytest.mark.parametrize("sign", [1, -1])  # columns, rows and slices along LPS, and along RAS
def test_a_placement_that_programs_write_by_default_says_nothing(sign):
    axes = np.eye(4)
    axes[:3, :3] = [[0, 0, 0.01 * sign], [0, 0.004 * sign, 0], [0.12, 0, 0]]
    assert scan_orientation(scan(placement=Placement(axes))) == Orientation()
    axes[0, 3] = 3
    known = scan_orientation(scan(placement=Placement(axes)))
    assert (known.first_is_superior, known.first_is_left) == (False, sign > 0)


@pytest.mark.parametrize(
    ("first", "second", "superior", "left"),
    [
        (((10, 5), (10, 90)), ((20, 5), (20, 90)), True, True),
        (((20, 90), (20, 5)), ((10, 90), (10, 5)), False, False),
        (((5, 10), (90, 10)), ((5, 20), (90, 20)), None, None),
    ],
)
def test_the_en_face_image_says_which_way_a_scan_runs(first, second, superior, left):
    paths = tuple(LinePath(*ends) for ends in (first, second))
    en_face = EnFace(np.zeros((100, 100), np.uint8), paths=paths)
    found = scan_orientation(scan(acquisition=Acquisition(en_face=en_face)))
    assert (found.first_is_superior, found.first_is_left) == (superior, left)


def test_what_is_not_covered_is_said():
    _, x = coordinates()
    half = np.where(x > 0, np.nan, 250.0)
    found = grid_of(half)
    assert found.find("total").covered == pytest.approx(0.5, abs=0.01)
    assert found.find("total").mean == pytest.approx(250)
    assert found.find("outer last-column side").covered == 0
    assert np.isnan(found.find("outer last-column side").mean)
    assert np.isnan(found.find("outer last-column side").volume_mm3)
    short = measure_etdrs(np.full((21, 141), 1.0), SPACING, Fovea(10, 70))  # 2.6 mm high
    assert short.find("outer first-slice side").covered < 0.05
    assert short.find("central").covered == 1


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        (SHAPE, {"axial": 3.9}, "between columns and between slices is not known"),
        (SHAPE, {"axial": 3.9, "lateral": 11.0}, "distance between slices is not known"),
        ((1, 141), {"lateral": 11.0, "slice": 120.0}, "needs a volume"),
    ],
)
def test_no_grid_without_distances(shape, sizes, message):
    with pytest.raises(MeasureError, match=message):
        measure_etdrs(np.ones(shape), Spacing.from_um(**sizes), CENTRE)


PHANTOM = phantom_volume(slices=13, rows=128, columns=256)


def phantom_thickness(columns: slice = slice(None)) -> Thickness:
    mask = Annotation(
        np.ascontiguousarray(PHANTOM.labels[..., columns]), PHANTOM.heights[..., columns].copy()
    )
    return measure_thickness(mask, OCT_LAYERS, PHANTOM.image.spacing)


def test_the_fovea_is_found_in_the_middle_slice():
    thickness = phantom_thickness()
    found = find_fovea(thickness)
    total = thickness.values[thickness.index("ILM–BM")]
    assert abs(found.slice - 6) <= 1
    assert abs(found.column - total[6].argmin()) < 20
    assert (found.origin, found.warnings) == (FOUND, ())


def test_a_fovea_that_may_be_wrong_is_doubted():
    edge = find_fovea(phantom_thickness(slice(130, 256)))
    assert "at the edge" in edge.warnings[0]
    bands, shape = phantom_thickness().bands, (11, 13, 64)
    flat = Thickness(bands, np.full(shape, 80, np.float32), "µm", SPACING)
    assert any("no clear pit" in warning for warning in find_fovea(flat).warnings)
    single = measure_thickness(Annotation(PHANTOM.labels[6]), OCT_LAYERS, PHANTOM.image.spacing)
    assert "not known" in find_fovea(single).warnings[0]
    nothing = Thickness(bands, np.full(shape, np.nan, np.float32), "µm", SPACING)
    with pytest.raises(MeasureError, match="can't be found"):
        find_fovea(nothing)


def test_a_stated_fovea_lies_in_the_image():
    assert state_fovea(3, 20.5, (13, 64)) == Fovea(3.0, 20.5)
    with pytest.raises(MeasureError, match="slice 13, but there are only 0 to 12"):
        state_fovea(13, 20, (13, 64))


def test_grids_compare_nasal_with_nasal():
    _, x = coordinates()
    right = grid_of(300 + x / 100, laterality=Laterality.RIGHT)
    left = grid_of(290 - x / 100, laterality=Laterality.LEFT)
    differences = compare_grids(left, right)
    assert [one.difference for one in differences] == pytest.approx([10.0] * 10, abs=0.1)
    assert differences[0].second - differences[0].first == differences[0].difference
    with pytest.raises(MeasureError, match="have different names"):
        compare_grids(right, grid_of(290 - x / 100))
    half = grid_of(np.where(x > 0, np.nan, 290.0), laterality=Laterality.LEFT)
    by_name = {one.name: one for one in compare_grids(right, half)}
    assert np.isnan(by_name["outer temporal"].difference)


def visit(shift: int, added: float, sigma: float, spacing: Spacing = SPACING) -> Thickness:
    """Return a visit with the fovea `shift` columns further right."""
    y, x = coordinates()
    pit = 300 + added - 100 * np.exp(-((x - shift * 50) ** 2 + y**2) / 2 / 400**2)
    values = np.repeat(pit[None], 11, axis=0).astype(np.float32)
    return Thickness(phantom_thickness().bands, values, "µm", spacing, np.full_like(values, sigma))


def test_two_visits_are_compared_where_the_foveas_meet():
    visits = visit(0, 0, 3), visit(8, 12, 4)
    found = compare_maps(*visits, "ILM–BM", (CENTRE, Fovea(30, 78)))
    assert np.nanmax(np.abs(found.difference - 12)) < 1e-4
    whole = found.summary("all")
    assert (whole.difference, whole.error) == pytest.approx((12, 5))
    assert whole.covered == pytest.approx(133 / 141)
    # A scan whose slices and columns run the other way.
    turned = replace(visits[1], values=visits[1].values[:, ::-1, ::-1].copy())
    place = Fovea(turned.values.shape[1] - 1 - 30, 140 - 78)
    again = compare_maps(visits[0], turned, "ILM–BM", (CENTRE, place), (True, True))
    np.testing.assert_allclose(again.difference, found.difference, atol=1e-3)
    unscaled, again = visit(0, 0, 3, Spacing.from_um(axial=3.9)), visit(0, 0, 3)
    with pytest.raises(MeasureError, match="compared in µm"):
        compare_maps(again, unscaled, "ILM–BM", (CENTRE, CENTRE))
    with pytest.raises(MeasureError, match="no layer or total 'X'"):
        compare_maps(again, again, "X", (CENTRE, CENTRE))
