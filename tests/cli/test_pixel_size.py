"""Pixel sizes that the user states on the command line."""

import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.mask_spacing import read_mask_spacing
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.image import Origin, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

STATED = Spacing.from_um(axial=3.87, lateral=11.6, origin=Origin.USER)


def sizes(spacing):
    return spacing.axial.um, spacing.lateral.um


def test_a_mask_has_the_size_that_the_user_states(run, scan, oct_model, tmp_path):
    options = ("-o", tmp_path / "out", "--model", oct_model.path, "--pixel-size", "3.87,11.6,120")
    result = run("segment", scan, *options)
    assert result.exit_code == 0, result.output
    spacing = read_mask_spacing(tmp_path / "out" / "scan_mask.png")
    assert sizes(spacing) == pytest.approx((3.87, 11.6), rel=1e-4)
    assert spacing.axial.origin is Origin.USER
    assert "stated by the user" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [("3.87", "received 1"), ("a,b", "AXIAL,LATERAL"), ("0.00387,0.0116", "state it in µm")],
)
@pytest.mark.parametrize("command", ["segment", "explain", "project"])
def test_a_size_that_is_none_is_refused_before_anything_is_done(
    run, scan, tmp_path, command, text, said
):
    Project.create(tmp_path / "project", scheme=OCT_LAYERS, author="Ann").close()
    if command == "project":
        result = run("project", "add", tmp_path / "project", scan, "--pixel-size", text)
    else:
        result = run(command, scan, "-o", tmp_path / "out", "--pixel-size", text)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_project_keeps_the_size_and_its_correction(run, tmp_path):
    write_png(tmp_path / "a.png", phantom_bscan(0, 64, 96).image.pixels)
    Project.create(tmp_path / "project", scheme=OCT_LAYERS, author="Ann").close()
    add = ("project", "add", tmp_path / "project", tmp_path / "a.png")
    for text, expected in (("3.8,11", (3.8, 11)), ("3.87,11.6", (3.87, 11.6))):
        assert run(*add, "--pixel-size", text).exit_code == 0
        with Project(tmp_path / "project", author="Ann") as project:
            assert sizes(project.image(1).spacing) == expected
            image = project.read_image(1)
            assert sizes(image.spacing) == expected
            assert image.spacing.axial.origin is Origin.USER
    assert run(*add).exit_code == 0
    with Project(tmp_path / "project", author="Ann") as project:
        assert project.image(1).spacing == STATED


def test_a_stated_size_comes_before_that_of_the_file(run, oct_model, tmp_path):
    import tifffile

    known = {"resolution": (1 / 10, 1 / 5), "metadata": {"unit": "um"}, "imagej": True}
    tifffile.imwrite(tmp_path / "a.tif", phantom_bscan(0, 96, 128).image.pixels, **known)
    run("segment", tmp_path / "a.tif", "-o", tmp_path, "--model", oct_model.path)
    spacing = read_mask_spacing(tmp_path / "a_mask.png")
    assert spacing.axial.um == pytest.approx(5, rel=1e-4)
    assert spacing.axial.origin is Origin.FILE
    options = ("--pixel-size", "3.87,11.6", "--overwrite", "--model", oct_model.path)
    run("segment", tmp_path / "a.tif", "-o", tmp_path, *options)
    np.testing.assert_allclose(
        sizes(read_mask_spacing(tmp_path / "a_mask.png")), (3.87, 11.6), rtol=1e-4
    )
