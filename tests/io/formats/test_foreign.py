"""Files of other programs, edited ones, broken ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from mask_formats import read_coco, read_vgg, write_coco, write_vgg
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.io._decoding import limited
from napari_retina_seg.io.formats.boundaries import (
    read_boundary_csv,
    read_boundary_json,
    write_boundary_csv,
    write_boundary_json,
)
from napari_retina_seg.io.formats.card import sidecar_of
from napari_retina_seg.io.formats.dicom_seg import read_dicom_seg, write_dicom_seg
from napari_retina_seg.io.formats.nifti import read_nifti, write_nifti
from napari_retina_seg.io.formats.raster import read_png, read_tiff, write_png, write_tiff
from napari_retina_seg.io.formats.record import Attribution, Maker, shared_scheme
from napari_retina_seg.io.formats.sources import Expected, find_sources, read_source
from napari_retina_seg.io.formats.vgg_json import draw
from napari_retina_seg.io.formats.vgg_json import read_vgg as read_polygons
from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.types.errors import ReadError, RetinaSegError, WriteError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCTID_LAYERS

CLASSES = np.arange(48, dtype=np.uint8).reshape(6, 8) // 6  # 0 … 7


def encoded(suffix, dtype):
    def write(path, values):
        if suffix == "png":
            Image.fromarray(values.astype(dtype)).save(path)
        else:
            tifffile.imwrite(path, values.astype(dtype), photometric="minisblack")

    return write


def nifti(dtype, unit="mm"):
    def write(path, values):
        import nibabel

        image = nibabel.Nifti1Image(values.T.astype(dtype), np.diag([0.01, 0.004, 0.12, 1.0]))
        image.header.set_xyzt_units(unit)
        image.to_filename(path)

    return write


@pytest.mark.parametrize(
    ("suffix", "write", "read"),
    [
        ("png", encoded("png", np.uint8), read_png),
        ("png", encoded("png", np.uint16), read_png),
        ("tif", encoded("tif", np.uint16), read_tiff),
        ("tif", encoded("tif", np.int32), read_tiff),
        ("tif", encoded("tif", np.float32), read_tiff),
        ("nii", nifti(np.uint16), read_nifti),
        ("nii.gz", nifti(np.float32), read_nifti),
    ],
)
def test_wider_values_are_read_if_they_are_classes(tmp_path, suffix, write, read):
    path = tmp_path / f"theirs.{suffix}"
    values = CLASSES.astype(np.int32)
    values[0, :2] = 255
    write(path, values)
    found = read(path, OCT_LAYERS)
    assert found.labels.dtype == np.uint8
    assert found.name == "theirs"
    np.testing.assert_array_equal(found.labels, np.where(values == 255, 0, values))
    np.testing.assert_array_equal(found.ignore, values == 255)
    assert found.attribution == Attribution()
    with pytest.raises(ReadError, match=r"does not say what its values mean: name the scheme"):
        read(path)
    values[3, 3] = 200
    write(path, values)
    with pytest.raises(ReadError, match=r"no class \(200\): those of 'oct-layers' are 0 to 7"):
        read(path, OCT_LAYERS)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_an_array_of_planes_is_the_mask_of_a_volume(tmp_path, suffix):
    planes = np.stack([CLASSES, CLASSES[::-1], CLASSES[:, ::-1]]).astype(">i4")
    path = tmp_path / f"theirs.{suffix}"
    (np.save if suffix == "npy" else np.savez)(path, np.asfortranarray(planes))
    np.testing.assert_array_equal(read_png(path, OCT_LAYERS).labels, planes)


def test_black_and_white_is_not_taken_for_ignored(tmp_path):
    vessels = (CLASSES > 3).astype(np.uint8)
    Image.fromarray(vessels * np.uint8(255)).save(tmp_path / "a.png")
    with pytest.raises(ReadError, match=r"no values but 0 and 255, which means what is to be ign"):
        read_png(tmp_path / "a.png", FUNDUS_VESSELS)
    tifffile.imwrite(tmp_path / "white.tif", vessels == 0, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "deep.tif", 255 - vessels, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "black.tif", vessels == 1, photometric="minisblack")
    for name in ("white.tif", "deep.tif", "black.tif"):
        found = read_tiff(tmp_path / name, FUNDUS_VESSELS)
        np.testing.assert_array_equal(found.labels, vessels, err_msg=name)


@pytest.mark.parametrize(("value", "listed"), [(256, "256"), (65535, "65535"), (8, "8")])
def test_sixteen_bits_do_not_wrap_around(tmp_path, value, listed):
    values = CLASSES.astype(np.uint16)
    values[0, 0] = value
    encoded("png", np.uint16)(tmp_path / "a.png", values)
    with pytest.raises(ReadError, match=rf"no class \({listed}\)"):
        read_png(tmp_path / "a.png", OCT_LAYERS)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.gz", "a.png", "a.dcm", "a"])
@pytest.mark.parametrize("written", ["w.nii", "w.nii.gz"])
def test_nifti_is_known_by_its_content(tmp_path, make_record, written, name):
    record = make_record()
    write_nifti(tmp_path / written, record)
    path = (tmp_path / written).rename(tmp_path / name)
    assert find_sources(tmp_path) == (path,)
    (found,) = read_source(path, Expected(OCT_LAYERS))
    np.testing.assert_array_equal(found.labels, record.labels)
    assert found.attribution == record.attribution


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.nii", "a.dcm", "a.jpg", "a"])
@pytest.mark.parametrize("write", [write_tiff, write_png])
def test_a_raster_is_known_by_its_content(tmp_path, make_record, write, name):
    record = make_record(np.arange(8, dtype=np.uint8).reshape(2, 4))
    write(tmp_path / name, record)
    (path,) = find_sources(tmp_path)
    (found,) = read_source(path, Expected(OCT_LAYERS))
    np.testing.assert_array_equal(found.labels, record.labels)
    assert found.attribution == record.attribution


def test_the_unit_of_a_voxel_must_be_stated(tmp_path):
    volume = np.stack([CLASSES] * 3)
    nifti(np.uint8)(tmp_path / "a.nii", volume)
    found = read_nifti(tmp_path / "a.nii", OCT_LAYERS)
    assert found.labels.shape == (3, 6, 8)
    sizes = (found.spacing.slice.um, found.spacing.axial.um, found.spacing.lateral.um)
    assert sizes == pytest.approx((120, 4, 10))
    nifti(np.uint8, "unknown")(tmp_path / "b.nii", volume)
    assert read_nifti(tmp_path / "b.nii", OCT_LAYERS).spacing == Spacing()


def test_wide_nifti_values_count_for_several_pixels(tmp_path):
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((8, 6), np.float64), np.eye(4))
    nibabel.save(image, tmp_path / "a.nii.gz")
    with limited(95), pytest.raises(ReadError, match="--max-pixels"):
        read_nifti(tmp_path / "a.nii.gz", FUNDUS_VESSELS)


def test_nifti_has_its_spacing_in_mm(tmp_path, make_record):
    import nibabel

    record = make_record()
    write_nifti(tmp_path / "a.nii.gz", record)
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.shape == (11, 9, 3)
    assert image.header.get_xyzt_units()[0] == "mm"
    # In RAS: as SimpleITK reads an image without a position, columns run left and rows back.
    np.testing.assert_allclose(image.affine, np.diag([-0.0118, -0.00387, 0.1205, 1]))
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, record.labels)
    write_nifti(tmp_path / "b.nii", make_record(spacing=Spacing()))
    assert nibabel.load(tmp_path / "b.nii").header.get_xyzt_units()[0] == "unknown"
    with pytest.raises(WriteError, match=r"end it in \.nii or \.nii\.gz"):
        write_nifti(tmp_path / "a.img", record)


def test_rasters_are_what_the_program_itself_reads(tmp_path, make_record):
    record = make_record(CLASSES)
    write_png(tmp_path / "a.png", record)
    write_tiff(tmp_path / "b.tif", record)
    for name in ("a.png", "b.tif"):
        labels, scheme = read_mask(tmp_path / name)
        assert scheme is OCT_LAYERS
        np.testing.assert_array_equal(labels, CLASSES)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        across, units = tiff.pages.first.tags["XResolution"].value
        assert across / units == pytest.approx(1e4 / 11.8)


def test_who_changes_a_mask_elsewhere_is_not_its_author(tmp_path, make_record):
    write_png(tmp_path / "a.png", make_record(CLASSES))
    assert read_png(tmp_path / "a.png").attribution.author == "grader-1"
    Image.fromarray(CLASSES[::-1]).save(tmp_path / "a.png")
    found = read_png(tmp_path / "a.png")
    assert found.attribution == Attribution()
    assert found.spacing == make_record().spacing
    with pytest.raises(ReadError, match="differ from those of 'fundus-vessels'"):
        read_png(tmp_path / "a.png", FUNDUS_VESSELS)


def test_a_card_of_a_newer_version_is_refused(tmp_path, make_record):
    write_png(tmp_path / "a.png", make_record(CLASSES))
    card = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(card | {"version": 2}))
    with pytest.raises(ReadError, match="newer version of this program"):
        read_png(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(card | {"spacing": 3}))
    with pytest.raises(ReadError, match=r"a\.json' says of its classes is damaged"):
        read_png(tmp_path / "a.png")
    (tmp_path / "a.json").write_text("[1, 2]")  # about something else
    assert read_png(tmp_path / "a.png", OCT_LAYERS).attribution == Attribution()


def test_a_volume_is_no_png(tmp_path, make_record):
    with pytest.raises(WriteError, match="export 'scan-1' as TIFF"):
        write_png(tmp_path / "a.png", make_record())
    assert not list(tmp_path.iterdir())


def test_the_side_files_name(tmp_path):
    assert sidecar_of(tmp_path / "a.b.nii.gz") == tmp_path / "a.b.json"
    assert sidecar_of(tmp_path / "a.b.png") == tmp_path / "a.b.json"


SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]


def coco(**changes):
    document = {
        "images": [{"id": 7, "file_name": "b/a.png", "height": 6, "width": 8}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 0, "segmentation": [SQUARE]},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 4,
                "segmentation": {"size": [6, 8], "counts": [12, 3, 33]},
            },
        ],
        "categories": [{"id": 0, "name": "rnfl"}, {"id": 4, "name": "INL"}],
    }
    return document | changes


def test_coco_of_other_programs(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(coco()))
    (found,) = read_coco(path, OCT_LAYERS)
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 1:5] = 1
    expected[0:3, 2] = 3
    np.testing.assert_array_equal(found.labels, expected)
    assert (found.name, found.attribution.maker) == ("a", Maker.UNKNOWN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 3}, "check 'images'"),
        ({"categories": [{"id": 0, "name": "Macula"}]}, "'Macula' is not a class of 'oct-layers'"),
        ({"categories": []}, "'category 0' is not a class of 'oct-layers'"),
        (
            {"images": [{"id": 7, "file_name": "a", "height": 5, "width": 8}]},
            r"is a region of 6 × 8 px on an image of 5 × 8 px",
        ),
        ({"images": [{"id": 7, "file_name": "a", "height": 10**9, "width": 8}]}, "limit of"),
    ],
)
def test_coco_that_can_not_be_read(tmp_path, changes, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(coco(**changes)))
    with pytest.raises(ReadError, match=message):
        read_coco(path, OCT_LAYERS)


@pytest.mark.parametrize("counts", [[12, 3], [-1, 49], "1", "zzzzz", "Ü", "", "o" * 2_000_000])
def test_coco_with_broken_rle(tmp_path, counts):
    document = coco()
    document["annotations"][1]["segmentation"]["counts"] = counts
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ReadError, match="RLE that does not fill"):
        read_coco(tmp_path / "a.json", OCT_LAYERS)


def test_coco_is_read_by_its_own_library(tmp_path, make_record):
    labels = np.zeros((40, 50), np.uint8)
    labels[5:30, 5:40] = 1
    labels[10:20, 10:30] = 0  # a hole, with an island of another class that touches its rim
    labels[12:20, 12:16] = 3
    labels[33:36, 40:48] = 1  # another part
    record = make_record(labels, ignore=np.pad(np.ones((2, 2), bool), ((38, 0), (48, 0))))
    for polygons in (False, True):
        write_coco(tmp_path / "a.json", [record], polygons=polygons)
        document = json.loads((tmp_path / "a.json").read_text())
        for annotation in document["annotations"]:
            found = annotation["segmentation"]
            if isinstance(found, list):
                found = coco_mask.merge(coco_mask.frPyObjects(found, 40, 50))
            region = record.raster() == annotation["category_id"]
            np.testing.assert_array_equal(coco_mask.decode(found), region)
            assert annotation["area"] == region.sum()
            assert annotation["iscrowd"] == (annotation["category_id"] == 255)
        names = [(category["id"], category["name"]) for category in document["categories"]]
        assert names == [*list(enumerate(OCT_LAYERS.names))[1:], (255, "ignore")]


def test_records_in_one_file_have_one_scheme_and_own_names(make_record):
    others = make_record(CLASSES, scheme=OCTID_LAYERS, name="b")
    with pytest.raises(WriteError, match="one scheme at a time"):
        shared_scheme([make_record(), others])
    with pytest.raises(WriteError, match="Two masks are of an image called 'scan-1'"):
        shared_scheme([make_record(), make_record(CLASSES)])
    with pytest.raises(WriteError, match="no mask to export"):
        shared_scheme([])


@pytest.mark.parametrize(("write", "read"), [(write_coco, read_coco), (write_vgg, read_vgg)])
def test_many_images_in_one_file(tmp_path, make_record, write, read):
    records = [make_record(), make_record(CLASSES, name="scan-2"), make_record(name="scan-3")]
    write(tmp_path / "a.json", records)
    found = read(tmp_path / "a.json")
    assert [record.name for record in found] == ["scan-1", "scan-2", "scan-3"]
    for one, record in zip(found, records, strict=True):
        np.testing.assert_array_equal(one.labels, record.labels)
        assert one.attribution == record.attribution


def test_vgg_is_what_the_data_layouts_draw(tmp_path, make_record):
    labels = np.zeros((40, 50), np.uint8)
    labels[5:30, 5:40] = 1
    labels[10:20, 10:30] = 8
    labels[12:18, 12:20] = 0
    write_vgg(tmp_path / "a.json", [make_record(labels, scheme=OCTID_LAYERS, name="NORMAL1")])
    (annotation,) = read_polygons(tmp_path / "a.json")
    assert annotation.filename == "NORMAL1.png"
    values = [OCTID_LAYERS.find(polygon.texts[0]).value for polygon in annotation.polygons]
    drawn = draw(annotation, values, labels.shape, tmp_path / "a.json")
    np.testing.assert_array_equal(drawn, labels)


def vgg(**region):
    shape = {"name": "polygon", "all_points_x": SQUARE[::2], "all_points_y": SQUARE[1::2]}
    known = {"shape_attributes": shape, "region_attributes": {"label": "INL"}}
    return {"a.png": {"filename": "a.png", "regions": {"0": known | region}}}


def test_vgg_of_other_programs(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(vgg()))
    (found,) = read_vgg(path, OCT_LAYERS, {"a.png": (6, 8)})
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 1:5] = 3
    np.testing.assert_array_equal(found.labels, expected)
    assert found.name == "a"
    for arguments, message in (
        ((OCT_LAYERS,), "does not say how large 'a.png' is"),
        ((None, {"a": (6, 8)}), "but no scheme"),
        ((FUNDUS_VESSELS, {"a": (6, 8)}), "'INL' is not a class of"),
        ((OCT_LAYERS, {"a": (2, 8)}), r"leaves the image of 2 × 8 px"),
    ):
        with pytest.raises(ReadError, match=message):
            read_vgg(path, *arguments)
    path.write_text(json.dumps(vgg(region_attributes={})))
    with pytest.raises(ReadError, match="no class or several"):
        read_vgg(path, OCT_LAYERS, {"a": (6, 8)})
    path.write_text("[]")
    with pytest.raises(ReadError, match="is JSON, but"):
        read_vgg(path, OCT_LAYERS)


def test_boundaries_are_read_off_a_mask_of_layers(tmp_path, make_record):
    steps = np.arange(8, dtype=np.float32)[:, None] * 3 + np.array([2, 4, 3], np.float32)
    labels = to_labels(steps, 30)
    write_boundary_csv(tmp_path / "a.csv", make_record(labels))
    first, second, *_ = (tmp_path / "a.csv").read_text().splitlines()
    assert first.startswith("column,ILM [SCT:280677004],RNFL-GCL [DCM:128289],IPL-INL [DCM:128291]")
    assert "EZ-RPE," in first
    assert second == "0,2.0,5.0,8.0,11.0,14.0,17.0,20.0,23.0"
    np.testing.assert_array_equal(read_boundary_csv(tmp_path / "a.csv").heights, steps)
    write_boundary_json(tmp_path / "b.json", make_record(labels))
    content = json.loads((tmp_path / "b.json").read_text())
    assert content["boundaries"][0] == {
        "name": "ILM",
        "code": "SCT:280677004",
        "heights": [2, 4, 3],
    }
    labels[0] = 5
    with pytest.raises(WriteError, match="not made of layers in their order"):
        write_boundary_csv(tmp_path / "c.csv", make_record(labels))
    with pytest.raises(WriteError, match="'fundus-vessels' has no boundaries"):
        write_boundary_csv(tmp_path / "c.csv", make_record(CLASSES // 7, scheme=FUNDUS_VESSELS))


def test_boundaries_changed_elsewhere_have_no_author(tmp_path, make_record):
    heights = np.zeros((3, 8, 11), np.float32)
    record = make_record(boundaries=heights)
    write_boundary_csv(tmp_path / "a.csv", record)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "a.csv").write_text(text.replace("0,0,0.0,", "0,0,7.25,"))
    found = read_boundary_csv(tmp_path / "a.csv")
    assert found.heights[0, 0, 0] == 7.25
    assert found.attribution == Attribution()


def test_boundaries_without_a_card(tmp_path):
    names = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    (tmp_path / "a.csv").write_text(f"{names}\n1,2,3,4,5,6,7,8\n1,2,3,,,6,7,8\n")
    found = read_boundary_csv(tmp_path / "a.csv", OCT_LAYERS)
    assert found.heights.shape == (8, 2)
    assert np.isnan(found.heights[3:5, 1]).all()
    for text, message in (
        (f"{names}\n1,2\n", "a number or nothing in each cell"),
        (f"{names}\n1,2,3,4,5,6,7,x\n", "a number or nothing in each cell"),
        (f"slice,{names}\n0,1,2,3,4,5,6,7,8\n5,1,2,3,4,5,6,7,8\n", "a row for each column"),
        ("ILM,BM\n1,2\n", "has the columns ILM, BM: those of 'oct-layers' are ILM, RNFL-GCL"),
        (names, "has no rows"),
        ("", "can't be read as CSV"),
    ):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(ReadError, match=message):
            read_boundary_csv(tmp_path / "a.csv", OCT_LAYERS)


def written(folder, record):
    """Write a file of each format, and return it with its reader."""
    plane = record.labels[0]
    named = {"scheme": record.scheme, "name": record.name}
    single = type(record)(plane, attribution=record.attribution, **named)
    heights = np.zeros((3, 8, 11), np.float32)
    lines = type(record)(record.labels, boundaries=heights, **named)
    for write, read, name, value in (
        (write_png, read_png, "a.png", single),
        (write_tiff, read_tiff, "a.tif", record),
        (write_nifti, read_nifti, "a.nii", record),
        (write_nifti, read_nifti, "a.nii.gz", record),
        (write_dicom_seg, read_dicom_seg, "a.dcm", record),
        (write_coco, read_coco, "coco.json", [record]),
        (write_vgg, read_vgg, "vgg.json", [record]),
        (write_boundary_csv, read_boundary_csv, "lines.csv", lines),
        (write_boundary_json, read_boundary_json, "boundaries.json", lines),
    ):
        write(folder / name, value)
        yield folder / name, read


def say(read, path, scheme):
    """Return what is said of a file; None if it is read."""
    try:
        read(path, scheme)
    except RetinaSegError as error:
        said = str(error)
    else:
        return None
    assert said.endswith(".")
    assert "\n" not in said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("numbers", [("slice", "column"), ("slice",)])
def test_boundaries_lie_where_their_numbers_say(tmp_path, numbers):
    names = [surface.name for surface in OCT_LAYERS.surfaces]
    rows = [
        [k, x, *(10 * k + x + n for n in range(len(names)))] for k in range(2) for x in range(3)
    ]
    kept = [("slice", "column").index(name) for name in numbers]
    # By slices from the last, as a spreadsheet sorts them; columns too, if they have numbers.
    rows.sort(key=lambda row: (-row[0], row[1] if len(kept) == 1 else -row[1]))
    lines = [[*(row[k] for k in kept), *row[2:]] for row in rows]
    text = "\n".join(",".join(map(str, line)) for line in ([*numbers, *names], *lines))
    (tmp_path / "a.csv").write_text(text)
    heights = read_boundary_csv(tmp_path / "a.csv", OCT_LAYERS).heights
    assert heights[:, 0].tolist() == [[0, 1, 2], [10, 11, 12]]


@pytest.mark.parametrize("columns", [(0, 2, 3), (0, 1, 1), (1, 2, 3)])
def test_boundaries_with_a_column_missing_or_twice_are_refused(tmp_path, columns):
    names = [surface.name for surface in OCT_LAYERS.surfaces]
    rows = [[x, *range(len(names))] for x in columns]
    text = "\n".join(",".join(map(str, line)) for line in (["column", *names], *rows))
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ReadError, match="a row for each column"):
        read_boundary_csv(tmp_path / "a.csv", OCT_LAYERS)


def test_missing_empty_and_foreign_files_are_reported(tmp_path, make_record):
    for path, read in written(tmp_path, make_record()):
        for content in (None, b"", b"This is a letter.", b"\0" * 500, b"{}", b"\xff\xfe[[["):
            path.unlink() if content is None else path.write_bytes(content)
            assert say(read, path, OCT_LAYERS), (path.name, content)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory, make_record):
    folder = tmp_path_factory.mktemp("whole")
    files = written(folder, make_record(np.zeros((3, 9, 11), np.uint8)))
    return [(path.name, path.read_bytes(), read) for path, read in files]


places = st.floats(0, 1, exclude_max=True)


@settings(max_examples=200)
@given(
    number=st.integers(0, 8),
    end=st.just(1.0) | places,
    changes=st.lists(st.tuples(places, st.integers(0, 255)), max_size=4),
)
def test_cut_and_altered_files_are_read_or_reported(
    tmp_path_factory, whole_files, number, end, changes
):
    name, whole, read = whole_files[number]
    content = bytearray(whole[: int(end * len(whole))])
    for place, byte in changes:
        if content:
            content[int(place * len(content))] = byte
    path = tmp_path_factory.mktemp("broken") / name
    path.write_bytes(content)
    say(read, path, None)
    say(read, path, OCT_LAYERS)
