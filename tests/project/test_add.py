"""Adding images: known by their hash, wherever they lie."""

import os
import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images.folders import list_tree
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.errors import ProjectError, ReadError
from napari_retina_seg.types.progress import Cancelled, CancelToken
from vendor_files import intensities, write_optovue, write_vol, write_xml_export
from zarr_files import VOLUME as SLICES
from zarr_files import write_zarr


def test_an_image_is_referred_to_where_it_is(ann, write_scan):
    path = write_scan("eye1_left.png", 1)
    image = ann.add_images([path], patient_of=lambda name: name.split("_")[0]).images[0]
    assert (image.name, image.path, image.is_copy) == ("eye1_left", path, False)
    assert (image.patient, image.shape, image.n_slices) == ("eye1", (16, 24), 1)
    assert (image.added_by, image.state) == ("Ann", "unreviewed")
    assert ann.read_image(image.id).grid == (16, 24)


def test_a_project_with_its_images_can_be_moved(ann, write_scan, tmp_path, make):
    inside = write_scan("project/images/inside.png", 1)
    copied = write_scan("elsewhere.png", 2)
    ann.add_images([inside])
    ann.add_images([copied], copy=True)
    ann.add_prediction(1, make.prediction())
    ann.close()
    shutil.move(ann.folder, tmp_path / "moved")
    copied.unlink()
    with Project(tmp_path / "moved", author="Ann") as moved:
        assert [moved.read_image(image.id).grid for image in moved.queue()] == [(16, 24)] * 2
        assert len(moved.history(1)) == 1
        assert moved.check() == ()


def test_a_copy_is_recognised_by_its_content(ann, image, write_scan):
    again = write_scan("other/name.png", 0)
    added = ann.add_images([again, write_scan("new.png", 1), image.path])
    assert [new.name for new in added.images] == ["new"]
    assert added.duplicates == ((again, image), (image.path, image))


def test_an_image_that_was_moved_is_found_by_adding_it_again(ann, image, tmp_path):
    moved = tmp_path / "archive" / "renamed.png"
    moved.parent.mkdir()
    shutil.move(image.path, moved)
    with pytest.raises(ProjectError, match=r"no longer at .*: restore it, or add it"):
        ann.read_image(image.id)
    added = ann.add_images([moved])
    assert added.images == ()
    assert ann.image(image.id).path == moved
    assert ann.read_image(image.id).grid == (16, 24)


def test_an_image_that_was_changed_is_noticed(ann, image, write_scan):
    write_scan("scan.png", 99)
    with pytest.raises(ProjectError, match="was changed since it was added"):
        ann.read_image(image.id)


def test_files_that_are_no_images_do_not_stop_the_others(ann, write_scan, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    cut = write_scan("cut.png", 5)
    cut.write_bytes(cut.read_bytes()[:50])
    paths = [tmp_path / "notes.txt", cut, tmp_path / "gone.png", write_scan("good.png", 1)]
    added = ann.add_images(paths)
    assert [image.name for image in added.images] == ["good"]
    assert len(added.problems) == 3


def test_adding_can_be_cancelled_and_keeps_what_was_added(ann, write_scan):
    token = CancelToken()
    job = ann.iter_add_images([write_scan("a.png", 1), write_scan("b.png", 2)], token=token)
    assert next(job).message == "a.png"
    assert next(job).done == 1
    token.cancel()
    with pytest.raises(Cancelled):
        next(job)
    assert [image.name for image in ann.queue()] == ["a"]


def test_images_are_found_by_what_a_person_types(ann, image, write_scan, tmp_path):
    other = write_scan("other/scan.png", 1)
    ann.add_images([other, write_scan("x.y.png", 2)])
    with pytest.raises(ProjectError, match=r"Several images are named 'scan': .* #1, #2"):
        ann.find_image("scan")
    assert ann.find_image("#2").id == 2
    assert ann.find_image(str(other)).id == 2
    assert ann.find_image("x.y").id == ann.find_image("x.y.png").id == 3
    for nothing in ("unheard-of", "#9", ""):
        with pytest.raises(ProjectError, match="no image"):
            ann.find_image(nothing)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_does_not_stop_the_others(ann, write_scan, tmp_path):
    good = write_scan("a.png", 1)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xffc.png"))
    odd.write_bytes(write_scan("b.png", 2).read_bytes())
    added = ann.add_images([odd, good])
    assert [image.name for image in added.images] == ["a"]
    (problem,) = added.problems
    assert "rename the file" in problem
    problem.encode()
    with pytest.raises(ReadError, match="rename the file"):
        read_image(odd)


def test_equal_contents_are_copied_once(ann, write_scan, tmp_path):
    one = write_scan("a.png", 1)
    (tmp_path / "b.PNG").write_bytes(one.read_bytes())
    added = ann.add_images([one, tmp_path / "b.PNG"], copy=True)
    assert (len(added.images), len(added.duplicates)) == (1, 1)
    assert ann.check() == ()


def test_what_was_read_is_kept_if_adding_is_closed(ann, write_scan):
    job = ann.iter_add_images([write_scan(f"{n}.png", n) for n in range(9)])
    for _ in range(3):
        next(job)
    job.close()
    assert len(ann.images()) == 2


def test_files_of_oct_devices_are_images(ann, tmp_path):
    """An XML export is one image of several files, any of which may be changed."""
    bscans = (255 * intensities()).astype("uint8")
    export = write_xml_export(tmp_path, bscans)
    vol = write_vol(tmp_path / "scan.vol", intensities())
    found = list_tree([tmp_path]).images
    assert found == (export, vol)
    added = ann.add_images(found, copy=False)
    assert [(each.name, each.n_slices, each.laterality) for each in added.images] == [
        ("export", 3, "OD"), ("scan", 3, "OD")]  # fmt: skip
    assert len(added.identifiers) == 2  # the headers name a patient
    for image in added.images:
        assert ann.read_image(image.id).acquisition.pattern == "raster"
    assert ann.add_images([export]).duplicates[0][1].name == "export"
    (tmp_path / "B2.TIF").write_bytes((tmp_path / "B1.TIF").read_bytes())
    with pytest.raises(ProjectError, match="was changed since it was added"):
        ann.read_image(added.images[0].id)


def write_volume(folder: Path, fill: int) -> Path:
    """Write a MetaImage as those of RETOUCH are: each header is as all others."""
    folder.mkdir()
    (folder / "oct.raw").write_bytes(bytes([fill]) * 24)
    header = folder / "oct.mhd"
    header.write_text("DimSize = 4 3 2\nElementType = MET_UCHAR\nElementDataFile = oct.raw\n")
    return header


def test_volumes_whose_headers_are_alike_are_two_images(ann, tmp_path):
    paths = [write_volume(tmp_path / name, fill) for fill, name in enumerate(("a", "b"))]
    first, second = ann.add_images(paths).images
    assert (ann.read_image(first.id).pixels.max(), ann.read_image(second.id).pixels.max()) == (0, 1)
    (tmp_path / "b/oct.raw").write_bytes(bytes(24))
    with pytest.raises(ProjectError, match="was changed since it was added"):
        ann.read_image(second.id)


def write_cube(folder: Path) -> Path:
    path = folder / "Macular Cube 200x200_1-1-2020_1-1-1_OD_sn1_cube_z.img"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 200)
    return path


OPTOVUE_TEXT = "Window Height = 16 Pixels\nScan Length = 20 A-scans\nScan Usage = 2 frames\n"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: write_xml_export(folder, (255 * intensities()).astype("uint8")),
         "image of several files"),
        (lambda folder: write_volume(folder / "a", 1), "image of several files"),
        (lambda folder: write_optovue(folder, [np.zeros((2, 16, 20))], OPTOVUE_TEXT),
         "image of several files"),
        (write_cube, "says in its name alone what it is"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_alone_is_not_copied(ann, tmp_path, write, message):
    path = write(tmp_path)
    added = ann.add_images([path], copy=True)
    assert added.images == ()
    assert message in added.problems[0]
    (image,) = ann.add_images([path], copy=False).images
    assert ann.read_image(image.id).grid == image.shape[-2:]


def write_labels(path: Path, values: np.ndarray) -> Path:
    """Write a mask as other programs do, which says nothing of its classes."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        nibabel.save(nibabel.Nifti1Image(values.transpose(), np.eye(4)), path)
    elif suffix == ".mhd":
        path.with_suffix(".raw").write_bytes(values.tobytes())
        sizes = " ".join(map(str, values.shape[::-1]))
        path.write_text(f"DimSize = {sizes}\nElementType = MET_USHORT\n"
                        f"ElementDataFile = {path.stem}.raw\n")  # fmt: skip
    else:
        tifffile.imwrite(path, values)
    return path


LABELS = np.tile(np.repeat(np.arange(4, dtype=np.uint16), 8)[:, None], (2, 1, 40))


@pytest.mark.parametrize(("name", "values"), [
    ("scan.nii.gz", LABELS), ("scan.mhd", LABELS), ("scan.tif", LABELS),
    ("scan_seg.tif", 80 * LABELS[0].astype(np.uint8)), ("scan.tif", LABELS[0] / np.float32(1)),
    ("scan.tif", np.uint8([[0, 9, 9], [200, 0, 0], [0, 50, 99], [1, 2, 3]])[LABELS[0]]),
])  # fmt: skip
def test_a_mask_of_another_program_is_no_image(ann, write_scan, tmp_path, name, values):
    """It may have the name of its image, and lie beside it."""
    image = write_scan("scan.png", 1)
    added = ann.add_images([image, write_labels(tmp_path / name, values)])
    assert [each.name for each in added.images] == ["scan"]
    (problem,) = added.problems
    assert f"{name}' is a mask, not an image (its pixels have only 4 different values)" in problem
    assert "'project import'" in problem


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_image_is_read_again(ann, tmp_path, suffix, copy):
    values = np.arange(20 * 16 * 3, dtype=np.int16).reshape(20, 16, 3)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / f"scan{suffix}")
    (image,) = ann.add_images([tmp_path / f"scan{suffix}"], copy=copy).images
    assert (image.name, image.shape) == ("scan", (3, 16, 20))
    np.testing.assert_array_equal(ann.read_image(image.id).pixels, values.transpose(2, 1, 0))


def test_an_ome_zarr_is_an_image_of_several_files(ann, tmp_path):
    pytest.importorskip("zarr", reason="an extra")
    scan = write_zarr(tmp_path / "scan.ome.zarr")
    assert "image of several files" in ann.add_images([scan], copy=True).problems[0]
    (image,) = ann.add_images([scan]).images
    assert (image.name, image.shape) == ("scan", (3, 16, 20))
    assert ann.find_image(str(scan)).id == image.id
    np.testing.assert_array_equal(ann.read_image(image.id).pixels, SLICES)
    chunk = scan / "s0/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[::-1])
    assert "was changed" in ann.check()[0].sentence
