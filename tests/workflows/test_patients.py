"""Whose images leave with their masks: said by the project, or by the person who exports."""

import csv
import json
from dataclasses import replace

import pytest

from helpers import write_png
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.progress import finish
from napari_retina_seg.types.segmentation import UNLIKE, Check
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.patients import PatientRule, rule_options
from napari_retina_seg.workflows.selection import Selection, find_subjects, warn_of_empty_splits

NAMES = ("017_L", "017_R", "018_L", "018_R", "019_L")
WITH_IMAGES = [one for one in Format if one.has_images]


@pytest.fixture
def filled(ann, tmp_path):
    """Make a project of five scans of three patients, of which it knows none."""
    for number, name in enumerate(NAMES):
        write_png(tmp_path / "in" / f"{name}.png", phantom_bscan(number, 64, 96).image.pixels)
    images = ann.add_images(sorted((tmp_path / "in").iterdir())).images
    for number, image in enumerate(images):
        ann.save_version(image.id, Annotation(phantom_bscan(number, 64, 96).labels), Action.CORRECT)
    return ann


def leave(project, out, rule=None, format=Format.TRAINING):
    return finish(iter_export(project, out, format, identities=Identities.KEEP, patients=rule))


def groups_of(folder):
    return {image.name: image.group for image in read_dataset(folder)}


@pytest.mark.parametrize("format", WITH_IMAGES)
def test_images_of_unknown_patients_are_exported_only_on_request(filled, tmp_path, format):
    with pytest.raises(ProjectError, match=r"of 5 images are not known, e\.g\. of '017_L'"):
        leave(filled, tmp_path / "out", format=format)
    assert not (tmp_path / "out").exists()


def test_a_pattern_keeps_both_eyes_of_a_patient_on_one_side(filled, tmp_path):
    leave(filled, tmp_path / "out", PatientRule(pattern=r"^(\d+)_"))
    assert groups_of(tmp_path / "out") == {name: name[:3] for name in NAMES}
    sides = {}
    for image in read_dataset(tmp_path / "out"):
        assert sides.setdefault(image.group, image.split) == image.split
        assert not image.group_guessed
    said = json.loads((tmp_path / "out" / "dataset.json").read_text())["patients"]
    assert "found in the images' names" in said


def test_stacks_say_whose_their_images_are(filled, tmp_path):
    leave(filled, tmp_path / "out", PatientRule(pattern=r"^(\d+)_"), Format.NPY)
    images = read_dataset(tmp_path / "out")
    assert [image.group for image in images] == [name[:3] for name in NAMES]
    assert not any(image.group_guessed for image in images)


@pytest.mark.parametrize("column", ["patient", "group"])
@pytest.mark.parametrize("suffix", ["", ".png", ".JFIF"])
def test_a_table_says_whose_they_are(filled, tmp_path, column, suffix):
    table = tmp_path / "who.csv"
    with table.open("w", newline="") as file:
        rows = [("name", column), *((f"{name}{suffix}", name[:3]) for name in NAMES)]
        csv.writer(file).writerows(rows)
    leave(filled, tmp_path / "out", PatientRule(table=table))
    assert groups_of(tmp_path / "out") == {name: name[:3] for name in NAMES}


def test_each_image_may_be_its_own_patient_and_the_folder_records_it(filled, tmp_path):
    leave(filled, tmp_path / "out", PatientRule(each_image=True))
    assert all(image.group_guessed for image in read_dataset(tmp_path / "out"))
    said = json.loads((tmp_path / "out" / "dataset.json").read_text())["patients"]
    assert "each of their images counts as its own patient" in said


def test_what_finds_no_patient_for_an_image_is_refused(filled, tmp_path):
    with pytest.raises(ProjectError, match=r"finds no patient for the image '019_L'"):
        leave(filled, tmp_path / "out", PatientRule(pattern="^(017|018)"))
    (tmp_path / "who.csv").write_text("name,patient\n017_L,17\n")
    with pytest.raises(ProjectError, match=r"'017_R' nor for 3 more"):
        leave(filled, tmp_path / "out", PatientRule(table=tmp_path / "who.csv"))
    (tmp_path / "who.csv").write_text("image,patient\n017_L,17\n")
    with pytest.raises(ProjectError, match="needs the columns"):
        leave(filled, tmp_path / "out", PatientRule(table=tmp_path / "who.csv"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"pattern": "a", "each_image": True},
        {"pattern": "("},
        {"folder": True, "each_image": True},
    ],
)
def test_a_rule_is_one_of_four(rule):
    with pytest.raises(ProjectError):
        PatientRule(**rule)


def test_a_patient_whom_the_project_knows_is_the_same_as_one_from_a_name(ann, tmp_path):
    for number, name in enumerate(("a_P1", "b_p1")):
        write_png(tmp_path / f"{name}.png", phantom_bscan(number, 64, 96).image.pixels)
    known = ann.add_images([tmp_path / "a_P1.png"], patient_of=lambda _: "P1").images
    unknown = ann.add_images([tmp_path / "b_p1.png"]).images
    for number, image in enumerate((*known, *unknown)):
        ann.save_version(image.id, Annotation(phantom_bscan(number, 64, 96).labels), Action.CORRECT)
    leave(ann, tmp_path / "out", PatientRule(pattern="p1$"))
    assert set(groups_of(tmp_path / "out").values()) == {"P1"}


def test_masks_alone_need_no_patients(filled, tmp_path):
    assert leave(filled, tmp_path / "out", format=Format.TIFF).masks == 5


def test_folders_named_after_patients_keep_images_of_one_name_apart(ann, tmp_path):
    for number, place in enumerate(("p1/left", "p1/right", "p2/left", "p2/right")):
        write_png(tmp_path / f"{place}.png", phantom_bscan(number, 64, 96).image.pixels)
    paths = sorted(tmp_path.glob("p?/*.png"))
    for number, image in enumerate(ann.add_images(paths).images):
        ann.save_version(image.id, Annotation(phantom_bscan(number, 64, 96).labels), Action.CORRECT)
    done = leave(ann, tmp_path / "out", PatientRule(folder=True))
    groups = sorted(groups_of(tmp_path / "out").values())
    assert groups == ["p1", "p1", "p2", "p2"]
    assert {(side.images, side.patients) for side in done.sides} == {(2, 1)}
    assert done.warnings == (
        "Divided by patient: "
        + ", ".join(f"{s.name} 2 images of 1 patient" for s in done.sides)
        + ".",
        warn_of_empty_splits(2),
    )
    assert "no test set" in warn_of_empty_splits(2)


def test_copies_in_a_project_have_no_folder_that_names_the_patient(ann, tmp_path):
    for number, place in enumerate(("p1/a", "p2/b")):
        write_png(tmp_path / f"{place}.png", phantom_bscan(number, 64, 96).image.pixels)
    paths = sorted(tmp_path.glob("p?/*.png"))
    for number, image in enumerate(ann.add_images(paths, copy=True).images):
        ann.save_version(image.id, Annotation(phantom_bscan(number, 64, 96).labels), Action.CORRECT)
    with pytest.raises(ProjectError, match="folder finds no patient for the image 'a' nor for 1"):
        leave(ann, tmp_path / "out", PatientRule(folder=True))


def test_only_patients_of_exported_images_are_asked_for(filled):
    whose = find_subjects(filled)
    assert [image.name for image in whose.unknown(Selection())] == list(NAMES)
    assert not whose.unknown(Selection(drawn_by="Bob"))
    assert not whose.unknown(Selection(states=frozenset({State.ACCEPTED})))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (None, ""),
        (PatientRule(pattern="^(x)"), ""),
        (PatientRule(pattern="^(0)"), warn_of_empty_splits(1)),
        (PatientRule(pattern="^(..7|...)"), warn_of_empty_splits(2)),
        (PatientRule(each_image=True), warn_of_empty_splits(5)),
    ],
)
def test_empty_splits_are_named_before_and_after_the_export(filled, tmp_path, rule, said):
    assert find_subjects(filled).predict_split(Selection(), rule) == said
    if said:
        done = leave(filled, tmp_path / "out", rule)
        assert done.warnings[-1] == said
        assert ("Validation" in said) is (len(done.sides) == 1)


def test_a_single_image_leaves_validation_empty(ann, image, make, tmp_path):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    assert find_subjects(ann).predict_split(Selection(), None) == warn_of_empty_splits(1)
    assert warn_of_empty_splits(1) in leave(ann, tmp_path / "out").warnings
    assert find_subjects(ann).predict_split(Selection(drawn_by="Bob"), None) == ""


def test_an_export_names_images_whose_prediction_was_flagged(ann, image, make, tmp_path):
    check = Check("uncertainty", "the model is unsure")
    ann.add_prediction(image.id, replace(make.prediction(), checks=(check,)))
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    done = leave(ann, tmp_path / "out", format=Format.PNG)
    assert done.flagged == ("scan",)
    assert f"{UNLIKE} in 'scan': check their masks." in done.warnings


def test_a_rule_is_passed_on_to_another_program(tmp_path):
    table = tmp_path / "patients.csv"
    assert rule_options(None) == ()
    assert rule_options(PatientRule(pattern="^(a)")) == ("--patients-from-name", "^(a)")
    assert rule_options(PatientRule(table=table)) == ("--patients", str(table))
    assert rule_options(PatientRule(folder=True)) == ("--patients-from-folder",)
    assert rule_options(PatientRule(each_image=True)) == ("--each-image-its-own-patient",)
