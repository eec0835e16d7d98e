import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.types.errors import DataError, ReadError
from napari_retina_seg.types.image import Modality

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)


def box(name, top, bottom, left=0, right=40, key="label"):
    """Return a region of whole pixels as makesense.ai writes it."""
    return {
        "shape_attributes": {
            "name": "polygon",
            "all_points_x": [left, right, right, left],
            "all_points_y": [top, top, bottom, bottom],
        },
        "region_attributes": {key: name} if name else {},
    }


def as_dictionary(regions):
    return {str(k): region for k, region in enumerate(regions)}


def write(folder: Path, regions, filename="a.jpg", image="a.jpg", json_name="labels.json") -> Path:
    entry = {
        "fileref": "",
        "size": 1200,
        "filename": filename,
        "base64_img_data": "",
        "file_attributes": {},
        "regions": regions,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / json_name).write_text(json.dumps({filename: entry}))
    save_image(folder / image)
    return folder


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path)


@pytest.mark.parametrize("form", [list, as_dictionary])
@pytest.mark.parametrize("key", ["label", "class", "Schicht"])
def test_polygons_become_classes(tmp_path, form, key):
    folder = write(tmp_path, form([box("RNFL", 4, 9, key=key), box("Choroid", 20, 26, 3, 5)]))
    (image,) = read_dataset(folder)
    assert (image.name, image.full_group, image.modality) == ("a", "octid/a", Modality.OCT)
    assert (image.group_guessed, image.scheme) == (True, "octid-layers")
    assert image.pixels().shape == (30, 40)
    expected = np.zeros((30, 40))
    expected[4:9] = 1
    expected[20:26, 3:5] = 8
    assert np.array_equal(image.labels(), expected)


def test_pixel_sizes_come_with_the_file(tmp_path):
    write(tmp_path, [box("RNFL", 4, 9)], "a.tif", "a.tif")
    meta = {"unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, imagej=True, resolution=(0.1, 0.25), metadata=meta)
    (image,) = read_dataset(tmp_path)
    assert image.spacing().axial.um == pytest.approx(4)


def test_names_match_whatever_their_case_and_punctuation(tmp_path):
    names = [
        ("rnfl", 1),
        ("GCL-IPL", 2),
        ("inner_nuclear layer", 3),
        ("Opl ", 4),
        ("Outer nuclear layer", 5),
        ("ellipsoid-zone", 6),
        ("R.P.E.", 7),
        ("CHOROID", 8),
        ("background", 0),
    ]
    regions = [box(name, 3 * k, 3 * k + 3) for k, (name, _) in enumerate(names)]
    (image,) = read_dataset(write(tmp_path, regions))
    assert image.labels()[1::3, 0][:9].tolist() == [value for _, value in names]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NFL", 1),
        ("Retinal nerve fiber layer", 1),
        ("IPL+GCL", 2),
        ("IPL / GCL", 2),
        ("GC-IPL", 2),
        ("IS/OS", 6),
        ("IS-OS junction", 6),
        ("RPE+BM", 7),
        ("BM/RPE", 7),
        ("RPE + Bruch's membrane", 7),
    ],
)
def test_older_names_and_other_orders_are_known(tmp_path, name, value):
    (image,) = read_dataset(write(tmp_path, [box(name, 4, 9)]))
    assert np.unique(image.labels()).tolist() == [0, value]


def test_where_polygons_overlap_the_later_one_counts(tmp_path):
    regions = [box("RNFL", 0, 20), box("INL", 10, 15), box("RNFL", 12, 13)]
    (image,) = read_dataset(write(tmp_path / "list", regions))
    assert image.labels()[9:16, 0].tolist() == [1, 3, 3, 1, 3, 3, 1]
    # Sorted as words the tenth region would come before the second.
    many = as_dictionary([*[box("INL", 0, 20)] * 10, box("RNFL", 0, 20)])
    (image,) = read_dataset(write(tmp_path / "many", dict(sorted(many.items()))))
    assert image.labels()[0, 0] == 1


def test_a_pixel_is_of_the_polygon_that_holds_its_centre(tmp_path):
    triangle = box("INL", 0, 0)
    triangle["shape_attributes"].update(all_points_x=[0, 4, 0], all_points_y=[0.2, 0.2, 4.2])
    (image,) = read_dataset(write(tmp_path, [triangle]))
    assert image.labels()[:5, :4].tolist() == [
        [3, 3, 3, 3],
        [3, 3, 3, 0],
        [3, 3, 0, 0],
        [3, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_a_project_of_via_is_read_too(tmp_path):
    region = box("", 0, 9)
    region["region_attributes"] = {"layer": {"OPL": True, "ONL": False}, "note": ""}
    entries = {
        "a.jpg1200": {"filename": "a.jpg", "size": 1200, "regions": [region]},
        "b.jpg1300": {"filename": "b.jpg", "size": 1300, "regions": []},
    }
    content = {"_via_settings": {}, "_via_img_metadata": entries}
    (tmp_path / "project.json").write_text(json.dumps(content))
    save_image(tmp_path / "images" / "a.jpg")
    save_image(tmp_path / "images" / "b.jpg")
    (image,) = read_dataset(tmp_path)
    assert image.labels()[:, 0].tolist() == [4] * 9 + [0] * 21


@pytest.mark.parametrize("name", ["HFL", "", "RNFL INL", "GCL", "IPL", "BM", "OS"])
def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path, name):
    folder = write(tmp_path, [box(name, 0, 9)])
    with pytest.raises(
        DataError,
        match=rf"'a\.jpg' in '.*labels\.json' is called ('{name}'|nothing): its class must be one"
        r" of BG, RNFL, GCL\+IPL, INL, OPL, ONL, EZ, RPE, Choroid\.$",
    ):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("annotated", "stored"),
    [
        ("scan.jpg", "scan.png"),
        ("scan (1).jpg", "scan.jpg"),
        ("scan.jpg", "scan (1).jpg"),
        ("scan_copy.jpg", "scan.jpg"),
        ("scan.jpg", "scan - Copy (2).jpg"),
        ("scan copy 3.jpg", "scan.jpg"),
        ("NORMAL (7)(1).jpg", "NORMAL (7).jpg"),
    ],
)
def test_a_copy_of_an_image_is_found(tmp_path, annotated, stored):
    folder = write(tmp_path, [box("RNFL", 0, 9)], annotated, stored)
    save_image(folder / "another.jpg")
    (image,) = read_dataset(folder)
    assert image.path.name == stored
    assert image.pixels().shape == image.labels().shape


def test_the_exact_name_comes_before_any_copy(tmp_path):
    folder = write(tmp_path, [box("RNFL", 0, 9)], "scan (1).jpg", "scan (1).jpg")
    save_image(folder / "scan.jpg")
    save_image(folder / "scan (1) (1).jpg")
    assert read_dataset(folder)[0].path.name == "scan (1).jpg"


def test_numbered_scans_are_not_copies_of_each_other(tmp_path):
    folder = write(tmp_path, [box("RNFL", 0, 9)], "NORMAL (1).jpg", "NORMAL (2).jpg")
    (image,) = read_dataset(folder)
    for read in (image.pixels, image.labels):
        with pytest.raises(DataError, match=r"'NORMAL \(1\)\.jpg' has polygons .* no such image"):
            read()


def test_a_name_that_fits_several_copies_is_refused(tmp_path):
    folder = write(tmp_path, [box("RNFL", 0, 9)], "scan.jpg", "scan (1).jpg")
    save_image(folder / "scan (2).jpg")
    with pytest.raises(
        DataError, match=r"'scan\.jpg' may be those of 'scan \(1\)\.jpg', 'scan \(2"
    ):
        read_dataset(folder)


def test_two_sets_of_polygons_for_one_image_are_refused(tmp_path):
    write(tmp_path, [box("RNFL", 0, 9)])
    write(tmp_path, [box("RNFL", 0, 9)], json_name="more.json")
    with pytest.raises(DataError, match=r"a\.jpg' has two sets of polygons"):
        read_dataset(tmp_path)


def test_polygons_over_an_image_of_another_size_are_refused(tmp_path):
    write(tmp_path, [box("RNFL", 0, 9, right=64)])
    with pytest.raises(
        DataError, match="leaves its image of 30 × 40 px: it was drawn over another"
    ):
        read_dataset(tmp_path)[0].labels()


def test_shapes_that_are_no_polygons_are_refused(tmp_path):
    circle = box("RNFL", 0, 9)
    circle["shape_attributes"] = {"name": "circle", "cx": 3, "cy": 4, "r": 2}
    with pytest.raises(ReadError, match=r"region of 'a\.jpg' that is no polygon \(circle, 0"):
        read_dataset(write(tmp_path, [circle]))


def test_a_broken_export_is_named(tmp_path):
    folder = write(tmp_path, [{"region_attributes": {}}])
    with pytest.raises(
        ReadError, match=r"labels\.json' is not a readable VGG export.*shape_attributes"
    ):
        read_dataset(folder)
    (folder / "labels.json").write_text('{"a.jpg": {"filename": "a.j')
    with pytest.raises(ReadError, match=r"labels\.json' can't be read as JSON: it is damaged"):
        read_dataset(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"a": 1}', '{"images": [], "annotations": []}'])
def test_json_about_something_else_is_no_data_set(tmp_path, content):
    (tmp_path / "info.json").write_text(content)
    save_image(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="No data set was found"):
        read_dataset(tmp_path)
