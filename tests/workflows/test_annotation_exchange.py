"""Masks to annotation tools and back: files that exist, and images that nobody annotated."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.io.xml_files import read_xml
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.importing import iter_import_masks

SHAPE = (64, 72)
REFERRING = [one for one in Format if one.may_have_images]


def scan(path: Path, seed: int) -> Path:
    """Write a scan; Pillow does not mind how a suffix is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(phantom_bscan(seed, *SHAPE).image.pixels).save(path)
    return path


def labels(seed: int) -> np.ndarray:
    return phantom_bscan(seed, *SHAPE).labels


def files_named(folder: Path) -> list[str]:
    """Return the names of the images that the files of a folder refer to."""
    names = []
    for path in sorted(folder.iterdir()):
        if path.name == "export.json" or path.suffix not in (".json", ".xml"):
            continue
        if path.suffix == ".xml":
            names += [image.get("name") for image in read_xml(path).iterfind("image")]
            continue
        content = json.loads(path.read_text())
        if "imagePath" in content:
            names.append(content["imagePath"])
        elif "images" in content:
            names += [image["file_name"] for image in content["images"]]
        else:
            names += [entry["filename"] for entry in content.values()]
    return names


@pytest.fixture
def fundus(tmp_path):
    """Make a project of three photographs."""
    for seed, name in enumerate("abc"):
        pixels = np.random.default_rng(seed).integers(0, 255, (*SHAPE, 3), np.uint8)
        write_png(tmp_path / "photos" / f"{name}.png", pixels)
    Project.create(tmp_path / "fundus", scheme=FUNDUS_VESSELS, author="Eve").close()
    with Project(tmp_path / "fundus", author="Eve") as project:
        project.add_images(sorted((tmp_path / "photos").iterdir()))
        yield project


BOX = [10, 10, 30, 10, 30, 30, 10, 30]
VIA_BOX = {"name": "polygon", "all_points_x": BOX[::2], "all_points_y": BOX[1::2]}
NAMES = ("a.png", "b.png", "c.png")
OF_OTHERS = {
    "coco.json": {
        "images": [
            {"id": number, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
            for number, name in enumerate(NAMES)
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [BOX]},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "segmentation": []},
        ],
        "categories": [{"id": 1, "name": "Vessel"}],
    },
    "via.json": {
        name: {
            "filename": name,
            "regions": [{"shape_attributes": VIA_BOX, "region_attributes": {"label": "Vessel"}}]
            if name == "a.png"
            else [],
        }
        for name in NAMES
    },
    "annotations.xml": "<annotations>"
    + "".join(f'<image id="0" name="{name}" width="72" height="64">' + (
        '<polygon label="Vessel" points="10,10;30,10;30,30;10,30"/>' if name == "a.png" else ""
    ) + "</image>" for name in NAMES)
    + "</annotations>",
}  # fmt: skip


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_is_not_annotated_stays_unreviewed(fundus, tmp_path, name):
    path = tmp_path / "others" / "annotations" / name
    path.parent.mkdir(parents=True)
    content = OF_OTHERS[name]
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    for name in NAMES:  # the images lie beside, and are no masks
        (path.parent / name).write_bytes((tmp_path / "photos" / name).read_bytes())
    taken = finish(iter_import_masks(fundus, tmp_path / "others", author="Eve"))
    assert ([version.image_id for version in taken.versions], taken.problems) == ([1], ())
    assert taken.unannotated == ("b", "c")
    states = [image.state for image in fundus.images()]
    assert states == [State.CORRECTED, State.UNREVIEWED, State.UNREVIEWED]
    assert fundus.annotation(1, 1).labels.sum() == 400


def test_labelme_s_files_without_an_area_leave_their_images_unreviewed(fundus, tmp_path):
    folder = tmp_path / "labelme"
    folder.mkdir()
    for name in NAMES:
        kind = {"a.png": "polygon", "b.png": "rectangle"}.get(name)
        shape = {"label": "vessels", "shape_type": kind, "points": np.reshape(BOX, (4, 2)).tolist()}
        content = {"imagePath": name, "shapes": [shape] if kind else [], "imageHeight": None}
        (folder / name).with_suffix(".json").write_text(json.dumps(content))
        (folder / name).write_bytes((tmp_path / "photos" / name).read_bytes())
    taken = finish(iter_import_masks(fundus, folder, author="Eve"))
    assert ([version.image_id for version in taken.versions], taken.problems) == ([1], ())
    assert taken.unannotated == ("b", "c")


def test_boundaries_without_a_height_say_nothing(ann, tmp_path):
    images = ann.add_images([scan(tmp_path / f"{name}.png", 3) for name in "a"]).images
    names = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    (tmp_path / "lines").mkdir()
    path = tmp_path / "lines" / "a.csv"
    path.write_text("\n".join([names, *[",,,,,,,"] * SHAPE[1]]))
    taken = finish(iter_import_masks(ann, path, author="Eve"))
    assert (taken.versions, taken.problems, taken.unannotated) == ((), (), ("a",))
    rows = ["1,2,3,4,5,6,7,8"] * (SHAPE[1] - 5) + [",,,,,,,"] * 5
    path.write_text("\n".join([names, *rows]))
    (version,) = finish(iter_import_masks(ann, path, author="Eve")).versions
    found = ann.annotation(images[0].id, version.number)
    assert found.ignore[:, -5:].all()
    assert not found.ignore[:, :-5].any()


def test_a_mask_of_background_only_is_taken_and_reported(fundus, tmp_path):
    write_png(tmp_path / "masks" / "a.png", np.zeros(SHAPE, np.uint8))
    taken = finish(iter_import_masks(fundus, tmp_path / "masks", author="Eve"))
    assert len(taken.versions) == 1
    assert "background only" in taken.identifiers[0]


def test_names_of_tools_lead_to_the_images(fundus, tmp_path):
    document = json.loads(json.dumps(OF_OTHERS["coco.json"]))
    names = ("images/3f2a9b1c-a.png", "C:\\up\\b.png", "c_png.rf.0123456789abcdef.jpg")
    for image, name in zip(document["images"], names, strict=True):
        image["file_name"] = name
    document["annotations"] = [
        {"id": number, "image_id": number, "category_id": 1, "segmentation": [BOX]}
        for number in range(3)
    ]
    (tmp_path / "a.json").write_text(json.dumps(document))
    taken = finish(iter_import_masks(fundus, tmp_path / "a.json", author="Eve"))
    assert ([version.image_id for version in taken.versions], taken.problems) == ([1, 2, 3], ())


@pytest.mark.parametrize("format", REFERRING)
def test_files_are_named_that_exist(ann, tmp_path, format):
    paths = [scan(tmp_path / "in" / name, seed) for seed, name in enumerate(("a.PNG", "b.Tif"))]
    for image in ann.add_images(paths).images:
        ann.save_version(image.id, Annotation(labels(image.id)), Action.CORRECT)
    finish(iter_export(ann, tmp_path / "out", format, identities=Identities.KEEP))
    named = files_named(tmp_path / "out")
    folder = tmp_path / ("out" if format is Format.LABELME else "in")
    assert len(named) == 2
    assert all((folder / name).is_file() for name in named)


def test_a_file_that_is_called_by_a_uid_is_named_so(ann, tmp_path):
    """What follows the last dot of a UID is no suffix: two images would have one name."""
    for seed in (1, 2):
        scan(tmp_path / "in" / f"{seed}.png", seed).rename(tmp_path / "in" / f"1.2.840.{seed}")
    for image in ann.add_images(sorted((tmp_path / "in").iterdir())).images:
        ann.save_version(image.id, Annotation(labels(image.id)), Action.CORRECT)
    finish(iter_export(ann, tmp_path / "out", Format.COCO, identities=Identities.KEEP))
    assert files_named(tmp_path / "out") == ["1.2.840.1", "1.2.840.2"]
    taken = finish(iter_import_masks(ann, tmp_path / "out"))
    assert (taken.known, taken.problems) == (2, ())


@pytest.mark.parametrize("format", REFERRING)
def test_images_leave_beside_their_masks_slice_by_slice(ann, tmp_path, format):
    phantom = phantom_volume(0, 3, *SHAPE)
    tifffile.imwrite(tmp_path / "volume.tif", phantom.image.pixels, photometric="minisblack")
    deep = phantom_bscan(5, *SHAPE).image.pixels.astype(np.uint16) * 16 + 7
    tifffile.imwrite(tmp_path / "Doe, Jane.tif", deep, photometric="minisblack")
    paths = [tmp_path / "volume.tif", tmp_path / "Doe, Jane.tif"]
    volume, single = ann.add_images(paths).images
    ann.save_version(volume.id, Annotation(phantom.labels), Action.CORRECT)
    ann.save_version(single.id, Annotation(labels(5)), Action.CORRECT)
    ann.confirm_names([volume.id])
    out = tmp_path / "out"
    finish(iter_export(ann, out, format, with_images=True))
    named = files_named(out)
    assert sorted(named) == sorted(path.name for path in out.glob("*.png"))
    assert not any("Doe" in path.name for path in out.iterdir())
    for index in range(3):
        picture = cv2.imread(str(out / f"volume_{index:04d}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(picture, phantom.image.pixels[index])
    (hidden,) = (name for name in named if not name.startswith("volume"))
    picture = cv2.imread(str(out / hidden), cv2.IMREAD_UNCHANGED)
    assert (picture.min(), picture.max(), picture.dtype) == (0, 255, np.uint8)
    assert np.corrcoef(picture.ravel(), deep.ravel())[0, 1] > 0.999
    taken = finish(iter_import_masks(ann, out))
    assert (taken.known, taken.problems, taken.versions) == (2, (), ())


def test_colours_leave_in_their_order(fundus, tmp_path):
    fundus.save_version(1, Annotation(np.ones(SHAPE, np.uint8)), Action.CORRECT)
    fundus.confirm_names([1])
    finish(iter_export(fundus, tmp_path / "out", Format.COCO, with_images=True))
    expected = np.asarray(Image.open(tmp_path / "photos" / "a.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), expected)


def test_formats_without_images_report_it(fundus, tmp_path):
    fundus.save_version(1, Annotation(np.ones(SHAPE, np.uint8)), Action.CORRECT)
    with pytest.raises(WriteError, match="can't include images"):
        finish(iter_export(fundus, tmp_path / "out", Format.PNG, with_images=True))
    assert not (tmp_path / "out").exists()


def test_slices_that_were_annotated_elsewhere_come_back_as_a_volume(ann, tmp_path):
    phantom = phantom_volume(0, 3, *SHAPE)
    tifffile.imwrite(tmp_path / "volume.tif", phantom.image.pixels, photometric="minisblack")
    (volume,) = ann.add_images([tmp_path / "volume.tif"]).images
    ann.save_version(volume.id, Annotation(phantom.labels), Action.CORRECT)
    ann.confirm_names([volume.id])
    finish(iter_export(ann, tmp_path / "out", Format.COCO, with_images=True))
    content = json.loads((tmp_path / "out" / "masks.json").read_text())
    del content["info"]  # as a tool does that has its own
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 2]
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    ann.reopen(volume.id)
    taken = finish(iter_import_masks(ann, tmp_path / "theirs.json", author="Eve"))
    assert (taken.problems, taken.unannotated) == ((), ("volume_0001",))
    found = ann.annotation(volume.id, taken.versions[0].number)
    for index in (0, 2):
        np.testing.assert_array_equal(found.labels[index], phantom.labels[index])
    assert [bool(plane.all()) for plane in found.ignore] == [False, True, False]


def test_a_mask_of_which_a_shape_was_left_out_is_in_progress(fundus, tmp_path):
    document = json.loads(json.dumps(OF_OTHERS["coco.json"]))
    document["annotations"][1] |= {"image_id": 0, "segmentation": [[5, 5, 6, 6]]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    taken = finish(iter_import_masks(fundus, tmp_path / "a.json", author="Eve"))
    assert "less than three points" in taken.problems[0]
    assert "The mask of 'a' was imported in part" in taken.identifiers[0]
    (image, *_) = fundus.images()
    assert (image.state, fundus.history(1)[0].comment) == (State.IN_PROGRESS, "Imported in part")
    assert fundus.annotation(1, 1).labels.sum() == 400
    again = finish(iter_import_masks(fundus, tmp_path / "a.json", author="Eve"))
    assert (again.known, again.versions) == (1, ())


def test_two_masks_of_one_image_in_a_file_are_reported(fundus, tmp_path):
    document = json.loads(json.dumps(OF_OTHERS["coco.json"]))
    document["images"][1]["file_name"] = "a.jpg"
    document["annotations"][1] |= {"segmentation": [BOX]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    taken = finish(iter_import_masks(fundus, tmp_path / "a.json", author="Eve"))
    assert len(taken.versions) == 1
    assert "several masks of 'a'" in taken.problems[0]


def test_what_was_hidden_is_found_again(ann, tmp_path):
    (image,) = ann.add_images([scan(tmp_path / "Doe, Jane.PNG", 1)]).images
    ann.save_version(image.id, Annotation(labels(1)), Action.CORRECT)
    for kind in REFERRING:
        out = tmp_path / kind.value
        finish(iter_export(ann, out, kind, identities=Identities.PSEUDONYMS, with_images=True))
        assert finish(iter_import_masks(ann, out)).known == 1
