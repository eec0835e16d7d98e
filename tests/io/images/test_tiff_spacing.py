import numpy as np
import pytest
import tifffile

from napari_retina_seg.io import read_image
from napari_retina_seg.types.image import Origin, Spacing

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 256, (21, 33), np.uint8)
VOLUME = RNG.integers(0, 256, (3, 21, 33), np.uint8)


def sizes(path, pixels, **options):
    """Write a TIFF, and return what is read of its slice, axial and lateral sizes."""
    tifffile.imwrite(path, pixels, photometric="minisblack", **options)
    spacing = read_image(path).spacing
    return spacing.slice.um, spacing.axial.um, spacing.lateral.um


def ome(**metadata):
    return {"ome": True, "metadata": metadata}


def imagej(unit, x, y, **metadata):
    return {"imagej": True, "resolution": (x, y), "metadata": {"unit": unit, **metadata}}


@pytest.mark.parametrize(
    ("unit", "per_um"), [("µm", 1), ("nm", 1e3), ("mm", 1e-3), ("cm", 1e-4), ("m", 1e-6)]
)
def test_ome_says_its_sizes_in_any_unit(tmp_path, unit, per_um):
    said = {"PhysicalSizeY": 3.87 * per_um, "PhysicalSizeX": 11.6 * per_um}
    said |= {"PhysicalSizeZ": 120 * per_um}
    said |= {f"PhysicalSize{axis}Unit": unit for axis in "XYZ"}
    volume = sizes(tmp_path / "a.ome.tif", VOLUME, **ome(axes="ZYX", **said))
    assert volume == pytest.approx((120, 3.87, 11.6))
    plane = sizes(tmp_path / "b.ome.tif", PLANE, **ome(axes="YX", **said))
    assert plane[0] is None
    assert plane[1:] == pytest.approx((3.87, 11.6))


def test_sizes_of_ome_without_a_unit_are_micrometres(tmp_path):
    said = ome(axes="YX", PhysicalSizeX=11.6, PhysicalSizeY=3.87)
    assert sizes(tmp_path / "a.ome.tif", PLANE, **said)[1:] == pytest.approx((3.87, 11.6))


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "parsec"])
def test_ome_units_that_are_no_length_of_a_retina_give_no_size(tmp_path, unit):
    said = {f"PhysicalSize{axis}{end}": value for axis in "XY" for end, value in (("", 2),)}
    said |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    assert sizes(tmp_path / "a.ome.tif", PLANE, **ome(axes="YX", **said)) == (None, None, None)


def test_time_points_of_ome_have_no_distance(tmp_path):
    said = ome(axes="TYX", PhysicalSizeX=11.6, PhysicalSizeY=3.87, PhysicalSizeZ=120)
    assert sizes(tmp_path / "a.ome.tif", VOLUME, **said) == (None, 3.87, 11.6)


@pytest.mark.parametrize(
    ("unit", "per_um"),
    [("um", 1), ("micron", 1), ("\\u00B5m", 1), ("mm", 1e-3), ("cm", 1e-4), ("nm", 1e3)],
)
def test_imagej_says_its_sizes_in_any_unit(tmp_path, unit, per_um):
    scale = (1 / (11.6 * per_um), 1 / (3.87 * per_um))
    volume = imagej(unit, *scale, spacing=120 * per_um, axes="ZYX")
    assert sizes(tmp_path / "a.tif", VOLUME, **volume) == pytest.approx((120, 3.87, 11.6), rel=1e-4)
    plane = sizes(tmp_path / "b.tif", PLANE, **imagej(unit, *scale, spacing=120 * per_um))
    assert plane == (None, pytest.approx(3.87, rel=1e-4), pytest.approx(11.6, rel=1e-4))
    assert read_image(tmp_path / "b.tif").spacing.axial.origin is Origin.FILE


@pytest.mark.parametrize(
    ("unit", "density"), [("pixel", 1), ("inch", 300), ("", 1), ("cm", 118.11), ("mm", 1)]
)
def test_imagej_without_a_size_of_a_retina_gives_none(tmp_path, unit, density):
    said = imagej(unit, density, density, spacing=1, axes="ZYX")
    assert sizes(tmp_path / "a.tif", VOLUME, **said)[1:] == (None, None)


def test_an_old_stack_of_imagej_has_its_distance(tmp_path):
    text = "ImageJ=1.11a\nimages=3\nunit=micron\nspacing=-120.0\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for index, page in enumerate(VOLUME):
            said = text if index == 0 else None
            writer.write(page, metadata=None, description=said, resolution=(1 / 11.6, 1 / 3.87))
    spacing = read_image(tmp_path / "a.tif").spacing
    found = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)
    assert found == pytest.approx((120, 3.87, 11.6), rel=1e-4)


def test_a_resolution_per_centimetre_is_a_size(tmp_path):
    said = {"resolution": (1e4 / 11.6, 1e4 / 3.87), "resolutionunit": "CENTIMETER"}
    found = sizes(tmp_path / "a.tif", PLANE, **said)
    assert found == (None, pytest.approx(3.87, rel=1e-4), pytest.approx(11.6, rel=1e-4))


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600, 1200, 4800])
@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_the_resolution_of_a_print_is_no_size(tmp_path, dpi, unit):
    density = dpi if unit == "INCH" else dpi / 2.54
    said = {"resolution": (density, density), "resolutionunit": unit}
    assert sizes(tmp_path / "a.tif", PLANE, **said) == (None, None, None)


def test_a_resolution_per_inch_or_without_a_unit_is_no_size(tmp_path):
    for unit in ("INCH", "NONE"):
        said = {"resolution": (2190, 6563), "resolutionunit": unit}
        assert sizes(tmp_path / f"{unit}.tif", PLANE, **said) == (None, None, None)
    assert read_image(tmp_path / "NONE.tif").spacing == Spacing()


@pytest.mark.parametrize("value", [0, -3, 1e9, float("nan"), float("inf"), "wide"])
def test_sizes_that_no_retina_has_are_unknown(tmp_path, value):
    said = ome(axes="YX", PhysicalSizeX=value, PhysicalSizeY=3.87)
    assert sizes(tmp_path / "a.ome.tif", PLANE, **said) == (None, 3.87, None)


def test_damaged_ome_text_gives_no_size(tmp_path):
    text = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/"><Image></OME>'
    tifffile.imwrite(tmp_path / "a.tif", PLANE, description=text, metadata=None)
    assert read_image(tmp_path / "a.tif").spacing == Spacing()
