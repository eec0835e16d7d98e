"""Masks out of a project and into another: nothing is lost, nothing is told that must not be."""

import gzip
import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from helpers import write_png
from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, ReadError, WriteError
from napari_retina_seg.types.image import Laterality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import Exported, iter_export
from napari_retina_seg.workflows.importing import Imported, iter_import_masks
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.selection import Selection, find_subjects

SHAPE = (64, 96)
MOST = [one for one in Format if one is not Format.NPY_ONE_HOT]


def scan(folder: Path, name: str, seed: int) -> Path:
    path = folder / f"{name}.png"
    write_png(path, phantom_bscan(seed, *SHAPE).image.pixels)
    return path


def annotation(seed: int, *, questionable: bool = False) -> Annotation:
    labels = phantom_bscan(seed, *SHAPE).labels
    region = np.zeros(SHAPE, bool)
    region[:6, 10:20] = questionable
    return Annotation(labels, None, region if questionable else None)


@pytest.fixture
def scans(ann: Project, tmp_path: Path) -> tuple[ProjectImage, ...]:
    """Add four scans of two patients: two corrected, one accepted, one predicted only."""
    names = ("p1_a", "p1_b", "p2_a", "p2_b")
    paths = [scan(tmp_path / "scans", name, seed) for seed, name in enumerate(names)]
    job = ann.iter_add_images(paths, patient_of=lambda name: name[:2])
    return finish(job).images


@pytest.fixture
def filled(ann: Project, scans, make) -> Project:
    ann.save_version(scans[0].id, annotation(0), Action.CORRECT)
    ann.save_version(scans[1].id, annotation(1, questionable=True), Action.CORRECT)
    for image in scans[2:]:
        predicted = make.prediction(shape=SHAPE)
        labels = annotation(7).labels
        ann.add_prediction(image.id, replace(predicted, labels=labels))
    ann.accept(scans[2].id)
    return ann


def leave(project: Project, folder: Path, format: Format = Format.TIFF, **more) -> Exported:
    return finish(iter_export(project, folder, format, **more))


def enter(project: Project, path: Path, **more) -> Imported:
    return finish(iter_import_masks(project, path, **more))


@pytest.fixture
def fresh(scans, tmp_path) -> Project:
    """Make another project with the same images."""
    Project.create(tmp_path / "fresh", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "fresh", author="Eve") as project:
        project.add_images([image.path for image in scans])
        yield project


@pytest.mark.parametrize("format", MOST)
def test_a_fresh_project_gets_the_same_masks_by_the_same_people(filled, fresh, tmp_path, format):
    done = leave(filled, tmp_path / "out", format)
    lines = format in (Format.BOUNDARY_CSV, Format.BOUNDARY_JSON)
    assert (done.masks, done.predictions, done.problems) == (3, 0, ())
    taken = enter(fresh, tmp_path / "out")
    assert (len(taken.versions), taken.known, taken.problems) == (3, 0, ())
    for image in filled.images():
        truth, other = filled.truth(image.id), fresh.truth(image.id)
        if truth is None:
            assert other is None
            continue
        assert other.author == truth.author == "Ann"
        mine, theirs = (
            p.annotation(image.id, v.number) for p, v in ((filled, truth), (fresh, other))
        )
        np.testing.assert_array_equal(theirs.labels, mine.labels)
        if mine.ignore is not None and not lines:
            np.testing.assert_array_equal(theirs.ignore, mine.ignore)
    again = enter(fresh, tmp_path / "out")
    assert (len(again.versions), again.known, again.problems) == (0, 3, ())


def test_one_hot_warns_that_it_can_not_hold_questionable_regions(filled, tmp_path):
    with pytest.raises(WriteError, match="can't mark questionable pixels"):
        leave(filled, tmp_path / "out", Format.NPY_ONE_HOT)
    accepted = Selection(states=frozenset({State.ACCEPTED}))
    assert leave(filled, tmp_path / "out", Format.NPY_ONE_HOT, selection=accepted).masks == 1
    assert np.load(tmp_path / "out" / "masks.npy").shape == (1, *SHAPE, 8)
    assert enter(filled, tmp_path / "out").known == 1


@pytest.mark.parametrize("format", [Format.TIFF, Format.NIFTI, Format.DICOM_SEG, Format.COCO])
def test_volumes_come_back(ann, tmp_path, format):
    phantom = phantom_volume(0, 3, *SHAPE)
    tifffile.imwrite(tmp_path / "volume.tif", phantom.image.pixels, photometric="minisblack")
    (image,) = ann.add_images([tmp_path / "volume.tif"]).images
    ann.save_version(image.id, Annotation(phantom.labels, phantom.heights), Action.CORRECT)
    leave(ann, tmp_path / "out", format)
    Project.create(tmp_path / "fresh", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "fresh", author="Eve") as fresh:
        fresh.add_images([tmp_path / "volume.tif"])
        (version,) = enter(fresh, tmp_path / "out").versions
        found = fresh.annotation(image.id, version.number)
        np.testing.assert_array_equal(found.labels, phantom.labels)


def test_boundaries_that_contradict_their_mask_do_not_leave(ann, tmp_path):
    phantom = phantom_bscan(0, *SHAPE)
    fresh, stale = (
        ann.add_images([scan(tmp_path, name, seed)]).images[0]
        for seed, name in enumerate(("fresh", "stale"))
    )
    ann.save_version(fresh.id, Annotation(phantom.labels, phantom.heights), Action.CORRECT)
    painted = phantom.labels.copy()
    painted[:, 40:50] = draw(phantom.heights[:, 40:50] + np.float32(4), SHAPE[0])
    ann.save_version(stale.id, Annotation(painted, phantom.heights), Action.CORRECT)
    ann.confirm_names([fresh.id, stale.id])
    leave(ann, tmp_path / "out", Format.BOUNDARY_JSON)

    def left(name):
        content = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        return np.array([one["heights"] for one in content["boundaries"]], np.float32)

    np.testing.assert_array_equal(left("fresh"), phantom.heights)  # they lie between pixels
    np.testing.assert_array_equal(draw(left("stale"), SHAPE[0]), painted)


def test_a_training_folder_is_taken_up_with_its_own_images(ann, tmp_path):
    phantom = phantom_volume(0, 3, *SHAPE)
    tifffile.imwrite(tmp_path / "volume.tif", phantom.image.pixels, photometric="minisblack")
    (volume,) = ann.add_images([tmp_path / "volume.tif"]).images
    (single,) = ann.add_images([scan(tmp_path, "single", 5)]).images
    ann.save_version(volume.id, Annotation(phantom.labels), Action.CORRECT)
    ann.save_version(single.id, annotation(5), Action.CORRECT)
    ann.confirm_names([volume.id])
    leave(ann, tmp_path / "set", Format.TRAINING, patients=PatientRule(each_image=True))
    Project.create(tmp_path / "fresh", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "fresh", author="Eve") as fresh:
        fresh.add_images(sorted((tmp_path / "set" / "images").iterdir()))
        taken = enter(fresh, tmp_path / "set")
        assert (len(taken.versions), taken.problems) == (4, ())
        middle = fresh.find_image("volume_0001")
        found = fresh.annotation(middle.id, fresh.truth(middle.id).number)
        np.testing.assert_array_equal(found.labels, phantom.labels[1])


def test_a_png_holds_no_volume_and_the_rest_is_exported(filled, tmp_path):
    phantom = phantom_volume(0, 3, *SHAPE)
    tifffile.imwrite(tmp_path / "volume.tif", phantom.image.pixels, photometric="minisblack")
    (image,) = filled.add_images([tmp_path / "volume.tif"]).images
    filled.save_version(image.id, Annotation(phantom.labels), Action.CORRECT)
    done = leave(filled, tmp_path / "out", Format.PNG)
    assert done.masks == 3
    (problem,) = done.problems
    assert "can't hold a volume" in problem


def test_predictions_are_exported_only_on_request_and_never_as_truth(filled, fresh, tmp_path):
    asked = Selection(predictions=True)
    done = leave(filled, tmp_path / "out", selection=asked)
    assert (done.masks, done.predictions) == (3, 1)
    (path,) = (tmp_path / "out" / "predictions").iterdir()
    index = json.loads((tmp_path / "out" / "export.json").read_text())
    makers = [mask["attribution"]["maker"] for mask in index["masks"]]
    assert sorted(makers) == ["human"] * 3 + ["prediction"]
    assert len(enter(fresh, tmp_path / "out").versions) == 3
    forced = enter(fresh, path, author="Mallory")
    assert not forced.versions
    assert "unreviewed prediction" in forced.problems[0]
    trained = leave(filled, tmp_path / "set", Format.TRAINING, selection=asked)
    assert (trained.masks, trained.predictions) == (3, 0)
    assert "unreviewed prediction" in trained.problems[0]


def test_state_author_day_and_patient_choose(filled, bob, scans, tmp_path):
    bob.save_version(scans[3].id, annotation(3), Action.CORRECT)
    today = filled.truth(scans[0].id).created_at.astimezone().date()

    def count(**chosen) -> int:
        folder = tmp_path / "-".join(map(str, chosen))
        return leave(filled, folder, selection=Selection(**chosen)).masks

    assert count(states=frozenset({State.CORRECTED})) == 3
    assert count(drawn_by=" ann") == 3
    assert count(drawn_by="Bob", states=frozenset({State.CORRECTED})) == 1
    assert count(patient="P1 ") == 2
    assert count(patient="p1", eye=Laterality.UNKNOWN) == 2
    whose = find_subjects(filled)
    assert (whose.patients, whose.eyes) == (("p1", "p2"), ())
    assert len(whose.masks) == 4
    assert count(since=today, until=today) == 4
    with pytest.raises(WriteError, match="no mask to export"):
        count(until=today.replace(year=2000))
    with pytest.raises(WriteError, match="no mask to export"):
        count(eye=Laterality.RIGHT)
    with pytest.raises(ProjectError, match="count as truth: choose"):
        count(states=frozenset({State.IN_PROGRESS}))


def test_a_patient_is_one_however_the_id_was_typed(ann, tmp_path):
    paths = [scan(tmp_path, name, seed) for seed, name in enumerate(("P1 _a", "p1_b", " _c"))]
    images = ann.add_images(paths, patient_of=lambda name: name.split("_")[0]).images
    (patient,) = find_subjects(ann).patients
    assert patient == "P1"
    chosen = Selection(patient=patient)
    assert [chosen.wants(image) for image in images] == [True, True, False]


def words_in(folder: Path) -> str:
    """Return all that a folder says, names of files included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in files]
    contents += [gzip.decompress(one) for one in contents if one[:2] == b"\x1f\x8b"]
    return " ".join([*map(str, files), *(content.decode("latin-1") for content in contents)])


def write_dicom(path: Path) -> None:
    """Write a B-scan of Jane Doe."""
    dicom = Dataset()
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.SOPClassUID = dicom.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
    dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dicom.StudyInstanceUID, dicom.SeriesInstanceUID = "1.2.3.5", "1.2.3.6"
    dicom.PatientName, dicom.PatientID = "Doe^Jane", "MRN-77"
    dicom.PatientBirthDate, dicom.Modality = "19500228", "OPT"
    dicom.ImageComments = "daughter of Erika"
    dicom.private_block(0x0021, "DEVICE", create=True).add_new(1, "LO", "Private Jane")
    pixels = phantom_bscan(0, *SHAPE).image.pixels
    dicom.set_pixel_data(pixels, "MONOCHROME2", 8)
    dicom.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("format", MOST)
def test_patient_identifiers_are_exported_only_on_request(ann, tmp_path, format):
    write_dicom(tmp_path / "doe_left.dcm")
    dated, plain = tmp_path / "MUELLER_HANS_1950-02-28_OD.png", tmp_path / "eye5.tif"
    said = PngInfo()
    said.add_text("Comment", "Patient: Hans Mueller")
    Image.fromarray(phantom_bscan(1, *SHAPE).image.pixels).save(dated, pnginfo=said)
    artist = (315, 2, 0, "Hans", True)
    pixels = phantom_bscan(2, *SHAPE).image.pixels
    tifffile.imwrite(plain, pixels, description="DOB 1950-02-28", extratags=[artist])
    job = ann.iter_add_images(
        [tmp_path / "doe_left.dcm", dated, plain], patient_of=lambda _: "MRN-77"
    )
    added = finish(job)
    identifiers = {image.name: told for image, told in added.identifiers}
    assert {"DICOM Patient's Name", "DICOM private elements"} <= set(identifiers.pop("doe_left"))
    assert identifiers == {
        "MUELLER_HANS_1950-02-28_OD": ("file name (a date)", "PNG Comment"),
        "eye5": ("TIFF ImageDescription", "TIFF Artist"),
    }
    for image in added.images:
        ann.save_version(image.id, annotation(image.id), Action.CORRECT)
    ann.confirm_names([added.images[2].id])
    done = leave(ann, tmp_path / "out", format)
    assert (done.masks, done.pseudonyms) == (3, 2)
    said = words_in(tmp_path / "out").casefold()
    secrets = ("doe", "jane", "erika", "mueller", "hans", "mrn-77", "19500228", "1950-02-28")
    for secret in (*secrets, ann.info.key):
        assert secret not in said.replace(str(tmp_path).casefold(), "")
    assert "eye5" in said or format is Format.NPY
    kept = leave(ann, tmp_path / "kept", format, identities=Identities.KEEP)
    assert kept.pseudonyms == 0
    assert "doe_left" in words_in(tmp_path / "kept")
    for image in added.images:
        ann.reopen(image.id)
    back = enter(ann, tmp_path / "out")
    assert [version.image_id for version in back.versions] or back.known == 3


def test_names_that_meet_do_not_overwrite_each_other(ann, tmp_path):
    for place in ("one", "two"):
        path = scan(tmp_path / place, "same", len(place) + ord(place[0]))
        (image,) = ann.add_images([path]).images
        ann.save_version(image.id, annotation(image.id), Action.CORRECT)
    assert leave(ann, tmp_path / "out", Format.PNG).masks == 2
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_a_cancelled_export_leaves_nothing(filled, tmp_path):
    token = CancelToken()
    job = iter_export(filled, tmp_path / "out", Format.COCO, token=token)
    while next(job).message != "p1_b" and not list(tmp_path.glob(".out*")):
        pass
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job)
    assert not list(tmp_path.glob("*out*"))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(filled, tmp_path):
    resource = pytest.importorskip("resource")  # which not every system has
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(WriteError, match="can't be written"):
            leave(filled, tmp_path / "out", Format.TRAINING)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob("*out*"))


def test_a_blinded_grader_gets_no_first_gradings(filled, bob, scans, tmp_path):
    filled.assign_second_grader(scans[0].id, "Bob")
    done = leave(bob, tmp_path / "out")
    assert done.masks == 2
    (problem,) = done.problems
    assert "must not see each other's work" in problem
    assert filled.truth(scans[0].id).mask not in words_in(tmp_path / "out")


def test_a_folder_with_something_in_it_stays_as_it_is(filled, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(WriteError, match="is not empty"):
        leave(filled, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_masks_of_0_and_255_are_taken_when_their_meaning_is_given(tmp_path):
    photos = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        write_png(photos / f"{name}.png", rng.integers(0, 255, (*SHAPE, 3), np.uint8))
        write_png(
            tmp_path / "masks" / f"{name}_mask.png", rng.integers(0, 2, SHAPE, np.uint8) * 255
        )
    Project.create(tmp_path / "project", scheme=FUNDUS_VESSELS, author="Ann").close()
    with Project(tmp_path / "project", author="Ann") as project:
        project.add_images(sorted(photos.iterdir()))
        doubtful = enter(project, tmp_path / "masks", author="Eve")
        assert len(doubtful.problems) == 2
        assert "as in 255:1" in doubtful.problems[0]
        nobody = enter(project, tmp_path, remap={255: 1})
        assert "--author" in nobody.problems[0]
        taken = enter(project, tmp_path, author="Eve", remap={255: 1})
        assert [version.author for version in taken.versions] == ["Eve", "Eve"]
        found = project.annotation(1, 1).labels
        assert set(np.unique(found)) == {0, 1}


def test_what_does_not_fit_is_reported_and_the_rest_is_taken(filled, fresh, scans, tmp_path):
    leave(filled, tmp_path / "out", Format.PNG, identities=Identities.KEEP)
    write_png(tmp_path / "out" / "stranger.png", np.zeros(SHAPE, np.uint8))
    write_png(tmp_path / "out" / "p2_b.png", np.zeros((10, 10), np.uint8))
    (tmp_path / "out" / "p1_a.png").write_bytes(b"half")
    taken = enter(fresh, tmp_path / "out", author="Eve")
    assert len(taken.versions) == 2
    told = "\n".join(taken.problems)
    assert "no image 'stranger'" in told
    assert "p1_a.png" in told
    assert "96 × 64 px" in told
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="There is no mask"):
        enter(fresh, tmp_path / "empty")


def test_an_edited_mask_is_not_its_first_author_s(filled, fresh, tmp_path):
    leave(filled, tmp_path / "out", Format.PNG, identities=Identities.KEEP)
    edited = annotation(0).labels.copy()
    edited[0, 0] = 3
    write_png(tmp_path / "out" / "p1_a.png", edited)
    taken = enter(fresh, tmp_path / "out" / "p1_a.png")
    assert "No author is recorded" in taken.problems[0]
    (version,) = enter(fresh, tmp_path / "out" / "p1_a.png", author="Eve").versions
    assert version.author == "Eve"


@pytest.mark.parametrize("format", MOST)
def test_names_that_windows_refuses_leave_as_safe_ones(ann, tmp_path, format):
    names = ("a:b", "a?b", "CON", "ends.", "Müller", "x" * 230)
    if os.name == "nt":
        pytest.skip("there are no such files there")
    for seed, name in enumerate(names):
        (image,) = ann.add_images([scan(tmp_path, name, seed)]).images
        ann.save_version(image.id, annotation(seed), Action.CORRECT)
    out = tmp_path / "out"
    patients = PatientRule(each_image=True)
    done = leave(ann, out, format, identities=Identities.KEEP, patients=patients)
    assert done.masks == len(names)
    for path in out.rglob("*"):
        assert not set(path.name) & set('<>:"|?*')
        assert path.stem.rstrip(". ") == path.stem
        assert path.stem.casefold() != "con"
        assert len(path.name.encode()) < 220
    taken = enter(ann, out)
    assert (taken.known, taken.problems) == (len(names), ())


def test_an_image_is_found_however_its_accents_are_encoded(ann, tmp_path):
    decomposed = unicodedata.normalize("NFD", "Müller_1")
    (image,) = ann.add_images([scan(tmp_path, decomposed, 1)]).images
    assert ann.find_image("Müller_1") == ann.find_image(decomposed) == image
    write_png(tmp_path / "masks" / "Müller_1_mask.png", annotation(1).labels)
    taken = enter(ann, tmp_path / "masks", author="Eve")
    assert ([version.image_id for version in taken.versions], taken.problems) == ([image.id], ())
