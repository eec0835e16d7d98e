"""No name of a file leaves a project unless a person said that it is harmless."""

import gzip
import hashlib
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.formats.identity import pseudonymise
from napari_retina_seg.io.formats.plain_names import is_plain_name
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.importing import iter_import_masks
from napari_retina_seg.workflows.naming import iter_name_changes
from napari_retina_seg.workflows.patients import PatientRule

SHAPE = (64, 64)
FOLDER = "Station_7_Oberarzt_Meier"
# None of them is known by a pattern for all; the last one has no suffix, as in an archive.
NAMES = (
    "MUELLER_HANS_OD.png",
    "SMITH JOHN.png",
    "MRN0048213.png",
    "650312-1234.png",
    "Jürgen_Größe.png",
    "王小明_左.png",
    "Opa Heinz.png",
    "Smith.John.OS",
)
SECRETS = [FOLDER, *(name.removesuffix(".png") for name in NAMES)]
PARTS = ["mueller", "hans", "smith", "john", "heinz", "meier", "0048213", "jürgen", "王小明"]


def write_dicom(path: Path, seed: int) -> Path:
    dicom = Dataset()
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.SOPClassUID = dicom.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
    dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dicom.StudyInstanceUID, dicom.SeriesInstanceUID = "1.2.3.5", "1.2.3.6"
    dicom.PatientName, dicom.PatientID, dicom.Modality = "Smith^John", "MRN0048213", "OPT"
    dicom.set_pixel_data(phantom_bscan(seed, *SHAPE).image.pixels, "MONOCHROME2", 8)
    dicom.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Make a project whose images have names of persons, all corrected."""
    folder = tmp_path_factory.mktemp("study")
    (folder / FOLDER).mkdir()
    for seed, name in enumerate(NAMES[:-1]):
        pixels = Image.fromarray(phantom_bscan(seed, *SHAPE).image.pixels)
        exif = pixels.getexif()
        exif[315] = "Hans Mueller"  # the artist
        pixels.save(folder / FOLDER / name, exif=exif)
    write_dicom(folder / FOLDER / NAMES[-1], len(NAMES))
    with Project.create(folder / "project", scheme=OCT_LAYERS, author="Ann") as project:
        for image in project.add_images([folder / FOLDER / name for name in NAMES]).images:
            labels = phantom_bscan(image.id, *SHAPE).labels
            project.save_version(image.id, Annotation(labels), Action.CORRECT, comment="Of Hans")
        yield project


def test_no_name_of_a_person_or_patient_is_plain():
    others = ("12-31-1950", "31.12.50", "Maier01", "od_schmidt", "ΑΝΝΑ", "x", "00482131", "p1 Anna")
    suspicious = [name for name in (*NAMES, *others) if not is_plain_name(name)]
    assert suspicious == [name for name in (*NAMES, *others) if name != "x"]
    for name in ("scan_012", "Subject7_OD_3", "oct B-scan 4", "12_h", "Image_01L", "visit2 left"):
        assert is_plain_name(name), name


@pytest.fixture(autouse=True)
def nothing_confirmed(study):
    yield
    study.withdraw_names(study.confirmed_names())


def leave(project, folder, format, identities=Identities.HIDE):
    rule = PatientRule(each_image=True) if format.has_images else None
    return finish(
        iter_export(
            project,
            folder,
            format,
            identities=identities,
            patients=rule,
            with_images=format.may_have_images,
        )
    )


def words_in(folder):
    """Return all that a folder says, names of files and what is packed in them included."""
    said = []
    for path in folder.rglob("*"):
        said.append(str(path.relative_to(folder)))
        if not path.is_file():
            continue
        content = path.read_bytes()
        said.append(content.decode(errors="replace"))
        if content[:2] == b"\x1f\x8b":
            said.append(gzip.decompress(content).decode(errors="replace"))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                said += [packed.read(name).decode(errors="replace") for name in packed.namelist()]
        if path.suffix in (".png", ".tif"):
            with Image.open(path) as picture:
                said.append(str(dict(picture.info)) + str(dict(picture.getexif())))
    return " ".join(said).casefold()


@pytest.mark.parametrize("format", list(Format))
def test_no_name_is_exported_in_any_format(study, tmp_path, format):
    done = leave(study, tmp_path / "out", format)
    assert (done.masks, done.pseudonyms, done.problems) == (len(NAMES), len(NAMES), ())
    said = words_in(tmp_path / "out")
    for secret in (*SECRETS, *PARTS, study.info.key):
        assert secret.casefold() not in said
        assert json.dumps(secret)[1:-1].casefold() not in said
    key = study.info.key
    assert all(pseudonymise(image.sha256, key) in said for image in study.images())
    assert not any(hashlib.sha256(name.encode()).hexdigest()[:16] in said for name in SECRETS)
    back = finish(iter_import_masks(study, tmp_path / "out"))
    assert (back.known, back.problems) == (len(NAMES), ())


def test_an_image_has_one_pseudonym_in_all_exports_of_a_project_only(study, tmp_path):
    leave(study, tmp_path / "a", Format.PNG)
    leave(study, tmp_path / "b", Format.TIFF, Identities.PSEUDONYMS)
    names = [{path.stem for path in (tmp_path / one).glob("p*")} for one in "ab"]
    assert names[0] == names[1]
    with Project.create(tmp_path / "other", scheme=OCT_LAYERS, author="Ann") as other:
        other.add_images([image.path for image in study.images()])
        changes = finish(iter_name_changes(other))
    assert not names[0] & {change.exported for change in changes}


def test_images_of_one_name_keep_their_pseudonyms_whatever_else_leaves(ann, write_scan, tmp_path):
    first, second = (
        ann.add_images([write_scan(f"{place}/Hans.png", seed)]).images[0]
        for seed, place in enumerate("ab")
    )
    called = {one.image.id: one.exported for one in finish(iter_name_changes(ann))}
    assert len(set(called.values())) == 2
    ann.save_version(second.id, Annotation(np.ones((16, 24), np.uint8)), Action.CORRECT)
    leave(ann, tmp_path / "one", Format.PNG)
    ann.save_version(first.id, Annotation(np.ones((16, 24), np.uint8)), Action.CORRECT)
    leave(ann, tmp_path / "both", Format.PNG)
    assert {path.stem for path in (tmp_path / "one").glob("p*.png")} == {called[second.id]}
    assert {path.stem for path in (tmp_path / "both").glob("p*.png")} == set(called.values())


def test_a_confirmed_name_is_exported_and_the_project_remembers_who_confirmed_it(study, tmp_path):
    nickname = study.find_image("Opa Heinz")
    study.confirm_names([nickname.id])
    with Project(study.folder, author="Bob") as bob:
        bob.confirm_names([nickname.id])  # Ann has said so before
        (said,) = bob.confirmed_names().values()
    assert (said.image_id, said.author, said.created_at.tzinfo is not None) == (
        nickname.id,
        "Ann",
        True,
    )
    done = leave(study, tmp_path / "out", Format.COCO)
    assert done.pseudonyms == len(NAMES) - 1
    assert (tmp_path / "out" / "Opa Heinz.png").is_file()
    said = words_in(tmp_path / "out")
    assert not any(part in said for part in PARTS if part != "heinz")
    hidden = leave(study, tmp_path / "all", Format.PNG, Identities.PSEUDONYMS)
    assert hidden.pseudonyms == len(NAMES)
    study.withdraw_names([nickname.id])
    leave(study, tmp_path / "withdrawn", Format.PNG)
    assert "heinz" not in words_in(tmp_path / "withdrawn")


def test_of_images_that_are_not_there_no_name_is_confirmed(study):
    with pytest.raises(ProjectError, match="no image 99"):
        study.confirm_names([1, 99])
    assert study.confirmed_names() == {}


def test_the_list_of_changes_warns_of_names_that_speak_of_a_patient(study):
    changes = {one.image.name: one for one in finish(iter_name_changes(study))}
    assert [one.image.id for one in changes.values()] == list(range(1, len(NAMES) + 1))
    assert changes["Smith.John.OS"].is_suspicious  # its header says who that is
    assert changes["650312-1234"].is_suspicious
    assert changes["Opa Heinz"].confirmed is None


@pytest.mark.parametrize("format", [Format.COCO, Format.NPY])
def test_images_that_leave_with_text_in_their_margin_are_named(ann, tmp_path, format):
    pixels = phantom_bscan(0, 240, 320).image.pixels
    for name, words in (("plain", ""), ("written", "Mueller, Hans")):
        picture = np.ascontiguousarray(pixels.copy())
        cv2.putText(picture, words, (9, 229), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)
        picture[0, 0] = len(words)  # two images
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "plain.png", tmp_path / "written.png"]
    for image in ann.add_images(paths).images:
        labels = phantom_bscan(0, 240, 320).labels
        ann.save_version(image.id, Annotation(labels), Action.CORRECT)
    done = leave(ann, tmp_path / "out", format)
    assert done.captioned == ("written",)
    assert "There may be text in the margin of 'written'" in done.warnings[-1]


def test_masks_under_pseudonyms_of_earlier_versions_find_their_images(ann, write_scan, tmp_path):
    """Those were made of the name alone: of two images with one name neither is taken."""
    (image,) = ann.add_images([write_scan("Hans.png", 1)]).images
    former = pseudonymise("Hans", ann.info.key)
    mask = Image.fromarray(np.full((16, 24), 3, np.uint8))
    mask.save(tmp_path / f"{former}.png")
    (version,) = finish(iter_import_masks(ann, tmp_path / f"{former}.png", author="Ann")).versions
    assert version.image_id == image.id
    ann.add_images([write_scan("other/Hans.png", 2)])
    mask.save(tmp_path / f"{former}.png")
    taken = finish(iter_import_masks(ann, tmp_path / f"{former}.png", author="Ann"))
    assert (taken.versions, "Several images" in taken.problems[0]) == ((), True)
