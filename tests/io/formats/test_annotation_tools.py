"""Files as annotation tools write them: what is a mask, and what is none."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from functools import partial
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from mask_formats import (
    read_coco,
    read_cvat,
    read_labelme,
    read_vgg,
    write_coco,
    write_cvat,
    write_vgg,
)
from napari_retina_seg.io.formats.coco import iter_coco
from napari_retina_seg.io.formats.cvat import iter_cvat
from napari_retina_seg.io.formats.found import Note, Problem, Unannotated
from napari_retina_seg.io.formats.labelme import iter_labelme, write_labelme
from napari_retina_seg.io.formats.named import find_value
from napari_retina_seg.io.formats.record import Attribution, MaskRecord
from napari_retina_seg.io.formats.vgg import iter_vgg
from napari_retina_seg.io.xml_files import read_xml
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

SHAPE = (120, 160)
SHAPES = dict.fromkeys("abc", SHAPE)
BOX = [30, 20, 100, 20, 100, 80, 30, 80]
FILES = ("a.jpg", "b.png", "c.png")

ring = np.zeros(SHAPE, bool)
ring[20:80, 30:100] = True
ring[40:60, 50:80] = False
RING = ring.copy()
RING[48:52, 60:70] = True  # an island in the hole
FILLED = np.zeros(SHAPE, bool)
FILLED[20:80, 30:100] = True


def lengths(region):
    flat = region.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    found = np.diff([0, *changes, flat.size]).tolist()
    return [0, *found] if flat[0] else found


def coco(segmentations, **changes):
    """Return a document with an annotation of each image whose segmentation is not missing."""
    images = [
        {"id": number, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
        for number, name in enumerate(FILES, 1)
    ]
    annotations = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 1, 1], **said}
        for number, said in enumerate(segmentations, 1)
    ]
    categories = [{"id": 1, "name": "Vessel"}]
    return {"images": images, "annotations": annotations, "categories": categories} | changes


def drawn(segmentation):
    return {"segmentation": segmentation}


def found_in(path, content, shapes=SHAPES, scheme=FUNDUS_VESSELS, read=iter_coco):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return sort_out(read(path, scheme, shapes))


def sort_out(items):
    items = list(items)
    masks = {item.name: item.labels > 0 for item in items if isinstance(item, MaskRecord)}
    said = {
        kind: [item for item in items if isinstance(item, kind)]
        for kind in (Problem, Note, Unannotated)
    }
    problems = [item.sentence for item in said[Problem]]
    warnings = [item.sentence for item in said[Note]]
    return masks, problems, warnings, [item.name for item in said[Unannotated]]


def resized(number, **said):
    """Return a document whose second image has another size than the others."""
    document = coco([drawn([BOX])] * 3)
    image = document["images"][number]
    for key in ("height", "width"):
        image.pop(key)
    image |= said
    return document


NO_SIZE = [{}, {"height": None, "width": None}, {"height": 0, "width": 0}, {"height": SHAPE[0]}]


@pytest.mark.parametrize("said", NO_SIZE)
def test_an_image_whose_size_is_missing_spoils_no_other(tmp_path, said):
    document = resized(1, **said)
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert (set(masks), problems) == (set(SHAPES), [])  # the project knows it
    masks, problems, _, _ = found_in(tmp_path / "a.json", document, None)
    assert len(masks) == 2
    (problem,) = problems
    assert f"does not say how large '{FILES[1]}' is" in problem


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"height": "tall", "width": 160}, "height"),
        ({"height": -120, "width": 160}, "height"),
        ({"height": 120, "width": 160, "file_name": None}, "file_name"),
        ({"height": 120, "width": 160, "id": [2]}, "id"),
    ],
)
def test_an_image_that_can_not_be_read_spoils_no_other(tmp_path, said, at):
    masks, problems, _, _ = found_in(tmp_path / "a.json", resized(1, **said))
    assert len(masks) == 2
    assert f"check its '{at}'" in problems[0]
    assert problems[0].startswith("images.1")
    assert (FILES[1] in problems[0]) == (at != "file_name")
    assert len(problems) == (2 if at == "id" else 1)  # whose annotation is of no image then


def test_a_category_that_can_not_be_read_spoils_no_other(tmp_path):
    document = coco([drawn([BOX])] * 3)
    document["categories"] = [{"id": 9}, *document["categories"], 5]
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert set(masks) == set(SHAPES)
    assert [problem.split(" ")[0] for problem in problems] == ["categories.0", "categories.2"]


def test_points_that_are_shares_of_a_side_make_no_mask(tmp_path):
    shares = [0.1, 0.2, 0.8, 0.2, 0.8, 0.7, 0.1, 0.7]
    document = coco([drawn([shares]), drawn([[0, 0, 1, 0, 1, 1, 0, 1]]), drawn([BOX])])
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert len(masks) == 2  # a single pixel may be drawn, in the first corner too
    (problem,) = problems
    assert "as if its coordinates were fractions of the image size" in problem


def test_an_id_of_two_categories_is_of_neither(tmp_path):
    document = coco([drawn([BOX]), drawn([BOX]) | {"category_id": 2}, drawn([BOX])])
    document["categories"] = [{"id": 1, "name": "Vessel"}, {"id": 1, "name": "Disc"},
                              {"id": 2, "name": "Vessel"}]  # fmt: skip
    masks, problems, _, unannotated = found_in(tmp_path / "a.json", document)
    assert len(masks) == 1
    assert len(unannotated) == 2
    (problem,) = problems
    assert "calls category 1 'Vessel' and 'Disc': its annotations may be of any" in problem
    document["categories"] = [{"id": 1, "name": "Vessel"}] * 2 + [{"id": 2, "name": "Vessel"}]
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert (set(masks), problems) == (set(SHAPES), [])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("1", "2", "7"), [1, 2, 7]),
        (("0", "1", "7"), [0, 1, 7]),  # up to the last class: 0 is the background
        (("0", "1", "6"), None),
        (("0", "3", "RNFL"), None),
    ],
)
def test_classes_numbered_from_zero_are_taken_if_zero_is_the_background(tmp_path, names, expected):
    document = coco([drawn([BOX]) | {"category_id": number} for number in (1, 2, 3)])
    document["categories"] = [
        {"id": number, "name": name} for number, name in enumerate(names, start=1)
    ]
    (tmp_path / "a.json").write_text(json.dumps(document))
    items = list(iter_coco(tmp_path / "a.json", OCT_LAYERS))
    values = [item.labels.max() for item in items if isinstance(item, MaskRecord)]
    problems = [item.sentence for item in items if isinstance(item, Problem)]
    if expected is not None:
        assert (values, problems) == (expected, [])
    else:
        assert values == [1 for name in names if name == "RNFL"]
        assert all("0 may be the background or the first class" in one for one in problems)
        assert len(problems) == sum(name.isdecimal() for name in names)


def test_a_declared_class_zero_counts_though_nothing_is_drawn_of_it(tmp_path):
    xml = (
        "<annotations><meta><task><labels><label><name>0</name></label><label><name>1</name>"
        '</label></labels></task></meta><image id="0" name="a.png" width="160" height="120">'
        '<polygon label="1" points="10,10;30,10;30,30;10,30"/></image></annotations>'
    )
    (tmp_path / "annotations.xml").write_text(xml)
    unannotated, problem = iter_cvat(tmp_path / "annotations.xml", OCT_LAYERS)
    assert isinstance(unannotated, Unannotated)
    assert "Class '1' is one of numbers from 0" in problem.sentence
    (mask,) = iter_cvat(tmp_path / "annotations.xml", FUNDUS_VESSELS)
    assert mask.labels.sum() == 400


def renamed(names):
    document = coco([drawn([BOX])] * 3)
    for image, name in zip(document["images"], names, strict=True):
        image["file_name"] = name
    return document


COMPRESSED = coco_mask.encode(np.asfortranarray(RING, dtype=np.uint8))["counts"].decode()
TAKEN = {
    "other ids": (
        coco([drawn([BOX]) | {"category_id": 7}] * 3, categories=[{"id": 7, "name": "vessel"}]),
        FILLED,
    ),
    "ids of other types": (
        coco([drawn([BOX]) | {"image_id": float(i), "category_id": "1"} for i in (1, 2, 3)]),
        FILLED,
    ),
    "sizes as text": (
        coco(
            [drawn([BOX])] * 3,
            images=[
                {"id": number, "file_name": name, "height": "120", "width": "160"}
                for number, name in enumerate(FILES, 1)
            ],
        ),
        FILLED,
    ),
    "compressed": (coco([drawn({"size": SHAPE, "counts": COMPRESSED})] * 3), RING),
    "counts": (coco([drawn({"size": SHAPE, "counts": lengths(RING)})] * 3), RING),
    "a ring of two polygons": (
        coco([drawn([BOX, [50, 40, 80, 40, 80, 60, 50, 60]])] * 3),
        ring,
    ),
    "polygons side by side": (
        coco([drawn([[*BOX[:4], 100, 50, 30, 50], [30, 50, 100, 50, 100, 80, 30, 80]])] * 3),
        FILLED,
    ),
    "a polygon twice": (coco([drawn([BOX, BOX])] * 3), FILLED),
    "a polygon without its list": (coco([drawn(BOX)] * 3), FILLED),
    "Roboflow's categories": (
        coco(
            [drawn([BOX])] * 3,
            categories=[
                {"id": 0, "name": "vessels-kq3x", "supercategory": "none"},
                {"id": 1, "name": "Vessel", "supercategory": "vessels-kq3x"},
            ],
        ),
        FILLED,
    ),
    "a class by its group": (
        coco(
            [drawn([BOX])] * 3,
            categories=[{"id": 1, "name": "artery", "supercategory": "Blood vessels"}],
        ),
        FILLED,
    ),
    "an unused category": (
        coco(
            [drawn([BOX])] * 3, categories=[{"id": 1, "name": "Vessel"}, {"id": 2, "name": "Disc"}]
        ),
        FILLED,
    ),
    "folders": (renamed([f"images/train/{name}" for name in FILES]), FILLED),
    "Windows": (renamed([f"C:\\data\\{name}" for name in FILES]), FILLED),
}


@pytest.mark.parametrize("case", TAKEN)
def test_coco_in_all_its_dialects(tmp_path, case):
    document, right = TAKEN[case]
    masks, problems, _, unannotated = found_in(tmp_path / "a.json", document)
    assert (problems, unannotated) == ([], [])
    assert sorted(masks) == ["a", "b", "c"]
    for mask in masks.values():
        np.testing.assert_array_equal(mask, right)


@pytest.mark.parametrize(
    "missing",
    [
        None,
        {},
        {"segmentation": []},
        {"segmentation": [[]]},
        {"segmentation": None},
        {"segmentation": {"size": SHAPE, "counts": [SHAPE[0] * SHAPE[1]]}},
    ],
)
def test_an_image_without_a_mask_is_not_annotated(tmp_path, missing):
    document = coco([drawn([BOX])] + ([] if missing is None else [missing, missing]))
    masks, problems, _, unannotated = found_in(tmp_path / "a.json", document)
    assert (list(masks), problems, unannotated) == (["a"], [], ["b", "c"])
    assert len(read_coco(tmp_path / "a.json", FUNDUS_VESSELS)) == 1


BAD = {
    "too short": (drawn([[5, 5, 6, 6]]), "less than three points"),
    "without an area": (drawn([[5, 5, 5, 5, 5, 5]]), "less than three points"),
    "odd": (drawn([[5, 5, 6, 6, 7]]), "not a list of x and y"),
    "words": (drawn([["a"] * 6]), "not a list of x and y"),
    "no number": (drawn([[float("nan"), 1, 2, 3, 4, 9]]), "less than three points"),
    "beyond": (drawn([[30, 20, 400, 20, 400, 80, 30, 80]]), "leaves the image of 120 × 160 px"),
    "outside": (drawn([[-50, -50, -9, -50, -9, -9]]), "lies outside of the image"),
    "short RLE": (drawn({"size": SHAPE, "counts": [5, 6]}), "RLE that does not fill"),
    "other RLE": (drawn({"size": [9, 9], "counts": [81]}), "a region of 9 × 9 px"),
    "nonsense": (drawn({"a": 1}), "neither RLE nor polygons"),
    "no image": (drawn([BOX]) | {"image_id": 99}, "an image that it does not list"),
    "nothing": ({"image_id": None, "category_id": None}, "can't be read"),
    "unknown class": (
        drawn([BOX]) | {"category_id": 5},
        "not a class of 'fundus-vessels' (Vessel)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_bad_annotation_names_itself_and_spoils_nothing_else(tmp_path, case):
    bad, message = BAD[case]
    document = coco([drawn([BOX])] * 3)
    document["annotations"].append({"id": 77, "image_id": 1, "category_id": 1, **bad})
    document["categories"].append({"id": 5, "name": "Optic disc"})
    masks, (problem,), _, unannotated = found_in(tmp_path / "a.json", document)
    assert message in problem
    assert "a.json" in problem
    assert sorted(masks) == ["a", "b", "c"]
    assert not unannotated
    for mask in masks.values():
        np.testing.assert_array_equal(mask, FILLED)
    with pytest.raises(ReadError):
        read_coco(tmp_path / "a.json", FUNDUS_VESSELS)


def test_one_bad_polygon_of_an_annotation_leaves_the_others(tmp_path):
    document = coco([drawn([BOX, [5, 5, 6, 6]]), drawn([BOX]), drawn([BOX])])
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert len(problems) == 1
    assert all((mask == FILLED).all() for mask in masks.values())


def test_a_hand_s_slip_over_the_edge_is_cut_there_as_pycocotools_does(tmp_path):
    for far, said in ((0.4, False), (1.5, True)):
        line = [-far, 20, 100, 20, 100, 120 + far, -far, 120 + far]
        document = coco([drawn([line])])
        masks, problems, warnings, _ = found_in(tmp_path / "a.json", document)
        right = coco_mask.decode(coco_mask.frPyObjects([line], *SHAPE))[..., 0]
        np.testing.assert_array_equal(masks["a"], right)
        assert problems == []
        assert any("was cut there" in message for message in warnings) == said


def test_images_of_another_size_take_no_memory(tmp_path):
    for shapes, message in ((SHAPES, "annotate the image in its own size"), ({}, "limit of")):
        document = coco([drawn([BOX])])
        document["images"][0] |= {"height": 10**9, "width": 10**9}
        masks, (problem,), _, _ = found_in(tmp_path / "a.json", document, shapes)
        assert message in problem
        assert not masks


def test_two_images_of_one_id_or_name_are_reported(tmp_path):
    document = coco([drawn([BOX])] * 3)
    document["images"][1]["id"] = 1
    masks, problems, _, _ = found_in(tmp_path / "a.json", document)
    assert "several images with the id 1" in " ".join(problems)
    assert list(masks) == ["c"]
    masks, problems, _, _ = found_in(tmp_path / "a.json", renamed(["x/a.png", "y/a.png", "c.png"]))
    assert "two images named 'a.png'" in " ".join(problems)
    assert list(masks) == ["c"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vessel", 1), ("VESSELS", 1), ("Blood vessels", 1), ("vessel-mask", 1), ("background", 0),
        ("optic disc", None), ("", None), ("ignore", 255),
    ],
)  # fmt: skip
def test_names_of_classes_are_taken_where_they_mean_one(name, value):
    assert find_value(name, FUNDUS_VESSELS) == value


def test_layers_are_known_by_american_and_older_names():
    names = ("NFL", "Retinal Nerve Fiber Layer", "rnfl_layer", "GCIPL", "IS/OS", "RPE complex")
    assert [find_value(name, OCT_LAYERS) for name in names] == [1, 1, 1, 2, 6, 7]
    assert find_value("nuclear layer", OCT_LAYERS) is None


def vgg(*regions):
    entries = {name: {"filename": name, "regions": []} for name in FILES}
    entries["a.jpg"]["regions"] = [
        {"shape_attributes": shape, "region_attributes": {"label": label}}
        for shape, label in regions
    ]
    return entries


VGG_BOX = {"name": "polygon", "all_points_x": BOX[::2], "all_points_y": BOX[1::2]}


def test_vgg_lists_unannotated_images(tmp_path):
    rect = {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5}
    entries = vgg((VGG_BOX, "Vessel"), (rect, "Vessel"), (VGG_BOX, "Disc"))
    masks, (problem,), (message,), unannotated = found_in(
        tmp_path / "a.json", entries, read=iter_vgg
    )
    np.testing.assert_array_equal(masks["a"], FILLED)
    assert unannotated == ["b", "c"]
    assert "'Disc' is not a class" in problem
    assert "1 shape without an area" in message
    entries = vgg((rect, "Vessel"))
    assert found_in(tmp_path / "a.json", entries, read=iter_vgg)[3] == ["a", "b", "c"]


def test_circles_and_ellipses_of_vgg_are_areas(tmp_path):
    for shape in (
        {"name": "circle", "cx": 60, "cy": 50, "r": 20},
        {"name": "ellipse", "cx": 60, "cy": 50, "rx": 20, "ry": 20, "theta": 0.3},
    ):
        masks, problems, _, _ = found_in(tmp_path / "a.json", vgg((shape, "Vessel")), read=iter_vgg)
        assert masks["a"].sum() == pytest.approx(np.pi * 400, rel=0.01)
        assert not problems


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>t</name></task></meta>
<image id="0" name="sub/a.jpg" width="160" height="120">
<mask label="Vessel" source="manual" occluded="0" rle="0, 3, 1, 2" left="50" top="30" width="3"
 height="2" z_order="1"></mask>
<polygon label="background" points="50.0,30.0;51.0,30.0;51.0,31.0;50.0,31.0" z_order="2"/>
<polygon label="Vessel" source="manual" occluded="0" points="0,0;9,0;9,5;0,5" z_order="0"/>
<box label="Vessel" xtl="1" ytl="1" xbr="5" ybr="5" z_order="0"/>
{more}
</image>
<image id="1" name="b.png" width="160" height="120"></image>
<image id="2" name="c.png" width="160" height="120"><tag label="Vessel"/><points label="Vessel"
 points="1,1"/></image>
</annotations>"""


def test_cvat_s_masks_polygons_and_order(tmp_path):
    masks, problems, warnings, unannotated = found_in(
        tmp_path / "a.xml", CVAT.format(more=""), read=iter_cvat
    )
    right = np.zeros(SHAPE, bool)
    right[0:5, 0:9] = True
    right[30, 51:53] = True  # of the mask's first row, a polygon of the background covers one
    right[31, 51:53] = True
    np.testing.assert_array_equal(masks["a"], right)
    assert (problems, unannotated) == ([], ["b", "c"])
    assert "2 shapes without an area" in warnings[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('<mask label="Vessel" rle="1, 2" left="0" top="0" width="3" height="2"/>', "do not fill"),
        ('<mask label="Vessel" rle="9" left="158" top="0" width="3" height="3"/>', "outside"),
        (
            '<mask label="Vessel" rle="1" left="0" top="0" width="1000000000" height="9"/>',
            "outside",
        ),
        ('<polygon label="Vessel" points="1,1;2"/>', "missing or wrong"),
        ('<polygon label="Vessel" points="1,1;2,2"/>', "less than three points"),
        ('<polygon label="Vessel"/>', "missing or wrong"),
        ('<polygon label="Macula" points="1,1;9,1;9,9"/>', "'Macula' is not a class"),
    ],
)
def test_a_bad_shape_of_cvat_spoils_nothing_else(tmp_path, more, message):
    masks, (problem,), _, _ = found_in(tmp_path / "a.xml", CVAT.format(more=more), read=iter_cvat)
    assert message in problem
    assert masks["a"].sum() == 49


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track/></annotations>", "not an XML of 'CVAT for images"),
        ("<annotation><folder/></annotation>", "not an XML of 'CVAT for images"),
        ("<annotations>", "damaged"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "damaged"),
    ],
)
def test_other_xml_is_refused(tmp_path, text, message):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ReadError, match=message):
        read_cvat(tmp_path / "a.xml", FUNDUS_VESSELS)


def labelme(*shapes, **changes):
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": [
            {"label": "Vessel", "group_id": None, "description": "", "flags": {}} | shape
            for shape in shapes
        ],
        "imagePath": "..\\images\\a.jpg",
        "imageData": None,
        "imageHeight": SHAPE[0],
        "imageWidth": SHAPE[1],
    } | changes


def as_png(region):
    file = BytesIO()
    Image.fromarray(region).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


ONES = partial(np.ones, dtype=bool)


def read_one(path, scheme, shapes):
    return iter_labelme([path], scheme, shapes)


def test_labelme_s_polygons_masks_and_circles(tmp_path):
    pairs = np.reshape(BOX, (-1, 2)).tolist()
    content = labelme({"shape_type": "polygon", "points": pairs})
    masks, problems, _, _ = found_in(tmp_path / "a.json", content, read=read_one)
    np.testing.assert_array_equal(masks["a"], FILLED)
    part = RING[20:80, 30:100]
    content = labelme({"shape_type": "mask", "points": [[30, 20], [99, 79]], "mask": as_png(part)})
    masks, problems, _, _ = found_in(tmp_path / "a.json", content, read=read_one)
    np.testing.assert_array_equal(masks["a"], RING)
    content = labelme({"shape_type": "circle", "points": [[60, 50], [80, 50]]})
    masks, problems, _, _ = found_in(tmp_path / "a.json", content, read=read_one)
    assert masks["a"].sum() == pytest.approx(np.pi * 400, rel=0.01)
    assert not problems


def test_labelme_without_an_area_is_not_annotated(tmp_path):
    box = {"shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
    for shapes in ((), (box,)):
        found = found_in(tmp_path / "a.json", labelme(*shapes), read=read_one)
        assert (found[0], found[1], found[3]) == ({}, [], ["a"])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"shape_type": "polygon", "points": [[1, 1], [2, 2]]}, "less than three points"),
        ({"shape_type": "polygon", "points": "abc"}, "can't be read"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "!"}, "can't be read"),
        (
            {
                "shape_type": "mask",
                "points": [[0, 0], [9, 9]],
                "mask": as_png(np.ones((500, 9), bool)),
            },
            "larger than the image",
        ),
        (
            {
                "shape_type": "mask",
                "points": [[155, 0], [164, 9]],
                "mask": as_png(np.ones((9, 9), bool)),
            },
            "outside of the image",
        ),
    ],
)
def test_a_bad_shape_of_labelme_spoils_nothing_else(tmp_path, shape, message):
    good = {"shape_type": "polygon", "points": np.reshape(BOX, (-1, 2)).tolist()}
    masks, (problem,), _, _ = found_in(tmp_path / "a.json", labelme(good, shape), read=read_one)
    assert message in problem
    np.testing.assert_array_equal(masks["a"], FILLED)


def as_labelme_draws(document, names):
    """Draw polygons as labelme does: by Pillow, with their outline, in their order."""
    values = np.zeros((document["imageHeight"], document["imageWidth"]), np.uint8)
    for shape in document["shapes"]:
        assert shape["shape_type"] == "polygon"
        picture = Image.new("1", values.shape[::-1])
        line = [tuple(point) for point in shape["points"]]
        ImageDraw.Draw(picture).polygon(line, outline=1, fill=1)
        values[np.asarray(picture)] = names.index(shape["label"])
    return values


def test_labelme_draws_what_was_written(tmp_path, make_record):
    record = make_record()
    paths = write_labelme(tmp_path, record)
    assert [path.name for path in paths] == [f"scan-1_{index:04d}.json" for index in range(3)]
    for index, path in enumerate(paths):
        document = json.loads(path.read_text())
        keys = {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
        assert keys <= document.keys()
        assert document["imagePath"] == record.file_of(index)
        drawn = as_labelme_draws(document, list(OCT_LAYERS.names))
        np.testing.assert_array_equal(drawn, record.labels[index])


def as_cvat_draws(image, names):
    """Draw masks by CVAT's document: rows of run lengths in a box, background first."""
    values = np.zeros((int(image.get("height")), int(image.get("width"))), np.uint8)
    for shape in image:
        assert shape.tag == "mask"
        left, top, width, height = (int(shape.get(k)) for k in ("left", "top", "width", "height"))
        runs = [int(run) for run in shape.get("rle").split(", ")]
        region = np.repeat([index % 2 for index in range(len(runs))], runs).reshape(height, width)
        box = values[top : top + height, left : left + width]
        box[region == 1] = names.index(shape.get("label"))
    return values


def test_cvat_draws_what_was_written(tmp_path, make_record):
    record = make_record()
    write_cvat(tmp_path / "a.xml", [record])
    root = read_xml(tmp_path / "a.xml")
    assert (root.tag, root.findtext("version")) == ("annotations", "1.1")
    labels = [label.findtext("name") for label in root.iterfind("meta/task/labels/label")]
    assert labels == list(OCT_LAYERS.names[1:])
    images = root.findall("image")
    assert [image.get("name") for image in images] == [record.file_of(i) for i in range(3)]
    for image, plane in zip(images, record.labels, strict=True):
        np.testing.assert_array_equal(as_cvat_draws(image, list(OCT_LAYERS.names)), plane)


def without_first(kind, path):
    """Take the shapes of the first slice out, as a person does elsewhere."""
    if kind == "xml":
        root = read_xml(path)
        first = root.find("image")
        for shape in list(first):
            first.remove(shape)
        path.write_bytes(ET.tostring(root))
        return
    content = json.loads(path.read_text())
    if kind == "coco":
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 1]
    elif kind == "vgg":
        next(iter(content.values()))["regions"] = {}
    else:
        content["shapes"] = []
    path.write_text(json.dumps(content))


WRITTEN = {
    "coco": (lambda folder, record: write_coco(folder / "a", [record]), read_coco),
    "vgg": (lambda folder, record: write_vgg(folder / "a", [record]), read_vgg),
    "xml": (lambda folder, record: write_cvat(folder / "a", [record]), read_cvat),
    "labelme": (
        write_labelme,
        lambda path: read_labelme(sorted(path.parent.glob("*.json"))),
    ),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_slices_emptied_elsewhere_are_not_annotated(tmp_path, make_record, kind):
    write, read = WRITTEN[kind]
    write(tmp_path, make_record())
    path = min(tmp_path.iterdir())
    without_first(kind, path)
    (found,) = read(path)
    assert found.ignore[0].all()
    assert not found.ignore[1:].any()
    assert found.attribution == Attribution()
    write(tmp_path, make_record(make_record().labels[0]))
    path = tmp_path / "scan-1.json" if kind == "labelme" else path
    if kind == "labelme":
        for slices in tmp_path.glob("*_*.json"):
            slices.unlink()
    without_first(kind, path)
    assert read(path) == ()


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_person_s_empty_mask_stays_one(tmp_path, make_record, kind):
    write, read = WRITTEN[kind]
    write(tmp_path, make_record(np.zeros((4, 5), np.uint8)))
    (found,) = read(min(tmp_path.iterdir()))
    assert not found.labels.any()
    assert found.ignore is None
    assert found.attribution.author == "grader-1"


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_size_that_a_card_claims_takes_no_memory(tmp_path, make_record, kind):
    write, read = WRITTEN[kind]
    write(tmp_path, make_record(np.ones((4, 5), np.uint8)))
    path = min(tmp_path.iterdir())
    text = path.read_text().replace("[4,5]", "[400000000,500000000]")
    text = text.replace("[4, 5]", "[400000000, 500000000]")
    path.write_text(text)
    with pytest.raises(ReadError):
        read(path)


def test_a_mask_of_labelme_that_claims_gigabytes_is_a_sentence(tmp_path):
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    text = base64.b64encode(bomb).decode()
    shape = {"shape_type": "mask", "points": [[0, 0], [9, 9]], "mask": text}
    _, (problem,), _, _ = found_in(tmp_path / "a.json", labelme(shape), read=read_one)
    assert "can't be read" in problem


def test_labelme_s_files_of_images_called_by_uids_are_two(tmp_path, make_record):
    one, two = (make_record(np.ones((9, 11), np.uint8), name=f"1.2.{k}", image_suffix="")
                for k in (1, 2))  # fmt: skip
    written = [*write_labelme(tmp_path, one), *write_labelme(tmp_path, two)]
    assert [path.name for path in written] == ["1.2.1.json", "1.2.2.json"]
