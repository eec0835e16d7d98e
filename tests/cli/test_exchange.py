"""``project export`` and ``project import``: to other programs and back, as one types it."""

import json

import numpy as np
import pytest

from helpers import TINY_RECIPE, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation


@pytest.fixture
def project(run, tmp_path):
    """Make a project of four scans of two patients, three of them corrected by Ann."""
    folder = tmp_path / "project"
    run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    for number, name in enumerate(("p1_a", "p1_b", "p2_a", "p2_b")):
        write_png(tmp_path / "scans" / f"{name}.png", phantom_bscan(number, 96, 128).image.pixels)
    scans = tmp_path / "scans"
    run("project", "add", folder, scans, "--author", "Ann", "--group-pattern", "^[^_]+")
    with Project(folder, author="Ann") as opened:
        for number, image in enumerate(list(opened.images())[:3]):
            labels = phantom_bscan(number, 96, 128).labels
            questionable = np.zeros(labels.shape, bool)
            questionable[:, :9] = number == 0
            annotation = Annotation(labels, None, questionable)
            opened.save_version(image.id, annotation, Action.CORRECT)
    return folder


@pytest.mark.usefixtures("untraced")
def test_a_network_learns_from_an_export(run, project, tmp_path):
    out = tmp_path / "set"
    left = run("project", "export", project, out, "--format", "training", "--author", "Ann")
    assert left.exit_code == 0, left.output
    assert f"3 masks exported to '{out}'." in left.stdout
    assert "Images renamed to pseudonyms: 3" in left.stderr
    assert left.stderr.count("There is no test set") == 2  # before and after
    checked = run("dataset", "check", out, "--out", tmp_path / "check")
    assert checked.exit_code == 0, checked.output
    assert "No problem found that would stop or spoil a training." in checked.stdout
    assert "patient of its own" not in checked.output
    facts = json.loads((tmp_path / "check" / "dataset.json").read_text())
    assert facts["datasets"]["set"]["groups"] == 2
    counted = sum(sum(image["mask_pixels"].values()) for image in facts["images"])
    assert counted == 3 * 96 * 128 - 96 * 9
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    trained = run("train", tmp_path / "tiny.toml", "--data", out, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert all(len(split[side]) == 1 for side in ("train", "val"))
    model = tmp_path / "run" / "model"
    scored = run("evaluate", model, "--data", out, "--out", tmp_path / "scores", "--split", "all")
    assert scored.exit_code == 0, scored.output


def test_names_are_listed_confirmed_and_withdrawn(run, project, tmp_path):
    """Only a person says that a name is harmless; one with a patient's is not taken unnamed."""
    for seed, name in enumerate(("Hans 1950-02-28", "third")):
        path = tmp_path / "more" / f"{name}.png"
        write_png(path, phantom_bscan(9 + seed, 96, 128).image.pixels)
    run("project", "add", project, tmp_path / "more")
    names = ("project", "names", project)
    listed = run(*names).stdout.splitlines()
    assert len(listed) == 6
    assert all("' → 'p" in line and "confirmed" not in line for line in listed)
    suspicious = [line.endswith("(may identify the patient)") for line in listed]
    assert suspicious == [True] * 5 + [False]  # p1_a, … hold the patient's number
    confirmed = run(*names, "--confirm", "--author", "Ann")
    assert confirmed.stdout == "1 name confirmed, 5 left out.\n"
    assert "'third' → 'third' (confirmed by Ann, 20" in run(*names).stdout
    assert run(*names, "p1_a", "#2", "--confirm").stdout == "2 names confirmed, 0 left out.\n"
    assert run(*names, "--withdraw", "p1_a").stdout == "1 name withdrawn.\n"
    assert run(*names, "--withdraw").stdout == "2 names withdrawn.\n"
    assert run(*names).stdout.splitlines() == listed
    assert run(*names, "--withdraw", "--confirm").exit_code == 2


def test_patients_whom_the_project_does_not_know_are_asked_for(run, project, tmp_path):
    write_png(tmp_path / "more" / "p3_a.png", phantom_bscan(7, 96, 128).image.pixels)
    run("project", "add", project, tmp_path / "more", "--author", "Ann")
    with Project(project, author="Ann") as opened:
        image = opened.find_image("p3_a")
        opened.save_version(image.id, Annotation(phantom_bscan(7, 96, 128).labels), Action.CORRECT)

    def export(name, *options):
        return run(
            *("project", "export", project, tmp_path / name, "-f", "nnunet", "--author", "Ann"),
            *options,
        )

    asked = export("a")
    assert asked.exit_code == 1
    assert "patients of 1 image are not known, e.g. of 'p3_a'" in asked.stderr
    for option in ("--patients-from-name", "--patients", "--each-image-its-own-patient"):
        assert option in asked.stderr
    assert not (tmp_path / "a").exists()
    assert export("b", "--patients-from-name", "^[^_]+").exit_code == 0
    (tmp_path / "who.csv").write_text("name,patient\np3_a.png,p1\n")
    assert export("c", "--patients", tmp_path / "who.csv", "--identities", "keep").exit_code == 0
    folds = json.loads((tmp_path / "c" / "splits_final.json").read_text())
    assert {"p1_a", "p1_b", "p3_a"} in [set(fold["val"]) for fold in folds]
    assert export("d", "--each-image-its-own-patient").exit_code == 0
    both = export("e", "--each-image-its-own-patient", "--patients-from-name", "x")
    assert both.exit_code == 2


def test_masks_go_to_another_project_and_are_known_there(run, project, tmp_path):
    run("project", "export", project, tmp_path / "out", "-f", "coco", "--author", "Ann")
    other = tmp_path / "other"
    run("project", "create", other, "--scheme", "oct-layers", "--author", "Eve")
    missing = run("project", "import", other, tmp_path / "out")
    assert missing.exit_code == 1
    assert "The project has no image" in missing.stderr
    run("project", "add", other, tmp_path / "scans", "--author", "Eve")
    taken = run("project", "import", other, tmp_path / "out")
    assert taken.stdout == "3 imported (3 by Ann), 0 known already, 0 failed.\n"
    again = run("project", "import", other, tmp_path / "out")
    assert again.stdout == "0 imported, 3 known already, 0 failed.\n"


def test_an_image_that_is_marked_as_ungradable_counts_as_no_mask(run, project, tmp_path):
    run("project", "ungradable", project, "p2_b", "--reason", "blurred", "--author", "Ann")
    run("project", "export", project, tmp_path / "out", "-f", "coco", "--author", "Ann")
    other = tmp_path / "other"
    run("project", "create", other, "--scheme", "oct-layers", "--author", "Eve")
    run("project", "add", other, tmp_path / "scans", "--author", "Eve")
    taken = run("project", "import", other, tmp_path / "out")
    assert taken.stdout == "3 imported (3 by Ann), 0 known already, 0 failed.\n"
    assert "1 image marked as ungradable" in taken.stderr


def test_exports_are_selected_by_options(run, project, tmp_path):
    def export(name, *options):
        return run(
            "project", "export", project, tmp_path / name, "-f", "png", "--author", "Ann", *options
        )

    assert "3 masks" in export("a", "--state", "corrected", "--identities", "keep").stdout
    assert (tmp_path / "a" / "p1_a.png").is_file()
    for state in ("graded twice", "second read"):  # the name that is stored, and was displayed
        assert "no mask to export" in export("b", "--state", state).output
    assert export("b", "--state", "graded").exit_code == 2
    assert "no mask to export" in export("c", "--drawn-by", "Bob").output
    of_one = export("p", "--patient", " P2", "--identities", "keep")
    assert "1 mask exported" in of_one.stdout
    assert [path.name for path in (tmp_path / "p").glob("*.png")] == ["p2_a.png"]
    assert "no mask to export" in export("f", "--eye", "OD").output
    assert "no mask to export" in export("d", "--until", "2000-01-01").output
    assert "count as truth" in export("e", "--state", "ungradable").output
    assert "is not empty" in export("a").output
    assert not any((tmp_path / name).exists() for name in "bcdef")


def test_adding_reports_what_may_name_a_patient(run, project, tmp_path):
    write_png(tmp_path / "Doe, Jane.png", phantom_bscan(9, 96, 128).image.pixels)
    added = run("project", "add", project, tmp_path / "Doe, Jane.png", "--author", "Ann")
    assert "'Doe, Jane' may identify the patient: file name (a person's name)." in added.stderr
    assert "Possible patient identifiers in 1 of 1 new files" in added.stderr


def test_images_are_reopened_refused_and_given_to_a_second_grader(run, project):
    ann = ("--author", "Ann")
    assert "from version 1" in run("project", "reopen", project, "p1_a", *ann).stdout
    done = run("project", "ungradable", project, "p2_b", "--reason", "blurred", *ann)
    assert done.stdout == "'p2_b' is ungradable: blurred\n"
    given = run("project", "assign", project, "p1_b", "p2_a", "--reader", "Bob", *ann)
    assert given.stdout.count("Bob is the second grader") == 2
    states = json.loads(run("project", "status", project, "--json", *ann).stdout)["states"]
    assert (states["in progress"], states["ungradable"], states["corrected"]) == (1, 1, 2)
    seen = json.loads(
        run("project", "history", project, "p1_b", "--json", "--author", "Bob").stdout
    )
    assert seen == []


def test_images_leave_beside_masks_for_annotation_tools(run, project, tmp_path):
    ann = ("--author", "Ann", "--identities", "keep")
    out = tmp_path / "out"
    left = run("project", "export", project, out, "-f", "cvat", "--with-images", *ann)
    assert left.exit_code == 0, left.output
    assert sorted(path.name for path in out.iterdir()) == [
        *("annotations.xml", "export.json", "p1_a.png", "p1_b.png", "p2_a.png"),
    ]
    taken = run("project", "import", project, out)
    assert taken.stdout == "0 imported, 3 known already, 0 failed.\n"
    refused = run("project", "export", project, tmp_path / "b", "-f", "png", "--with-images", *ann)
    assert refused.exit_code == 1
    assert "'png' can't include images" in refused.stderr


def test_what_is_not_annotated_elsewhere_is_reported(run, project, tmp_path):
    size = {"height": 96, "width": 128}
    names = enumerate(("p2_b.png", "p1_a.png"))
    images = [{"id": number, "file_name": name, **size} for number, name in names]
    (tmp_path / "a.json").write_text(
        json.dumps({"images": images, "annotations": [], "categories": []})
    )
    taken = run("project", "import", project, tmp_path / "a.json", "--author", "Eve")
    assert taken.exit_code == 0, taken.output
    assert taken.stdout == "0 imported, 0 known already, 0 failed.\n"
    assert "2 images without a mask in the file" in taken.stderr
    status = json.loads(run("project", "status", project, "--json", "--author", "Ann").stdout)
    assert status["states"]["unreviewed"] == 1


def test_polygons_come_with_advice(run, project, tmp_path):
    options = ("-f", "coco-polygons", "--author", "Ann")
    left = run("project", "export", project, tmp_path / "out", *options)
    assert "or use 'coco'" in left.stderr
