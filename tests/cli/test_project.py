"""``project``: what the window does, without one."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import cv2
import numpy as np
import pytest
from skimage.data import retina

from helpers import tiny_model, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation


@pytest.fixture
def scans(tmp_path):
    """Write three B-scans of two patients."""
    folder = tmp_path / "scans"
    for number, name in enumerate(("p1_a", "p1_b", "p2_a")):
        write_png(folder / f"{name}.png", phantom_bscan(number, 96, 128).image.pixels)
    return folder


@pytest.fixture
def project(run, tmp_path, scans):
    """Make a project of the three by Ann."""
    folder = tmp_path / "project"
    created = run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    assert created.exit_code == 0, created.output
    assert "Created a project of 'oct-layers'" in created.stdout
    added = run("project", "add", folder, scans, "--author", "Ann", "--group-pattern", "^[^_]+")
    assert added.exit_code == 0, added.output
    assert added.stdout == "3 added.\n"
    return folder


@pytest.fixture
def mask(tmp_path):
    """Write the mask of the first scan, as another program would."""
    write_png(tmp_path / "drawn.png", phantom_bscan(0, 96, 128).labels)
    return tmp_path / "drawn.png"


def predict(folder, *names, probabilities=None):
    provenance = Provenance("", "oct-layers", "cd" * 32, "1.0", "CPU", "float32", 1.0)
    with Project(folder, author="Ann") as opened:
        for name in names:
            labels = phantom_bscan(9, 96, 128).labels
            opened.add_prediction(
                opened.find_image(name).id,
                Segmentation(
                    labels, None, None, probabilities, scheme=OCT_LAYERS, provenance=provenance
                ),
            )


def test_a_model_skips_images_it_is_not_for(run, project, tmp_path):
    model = tiny_model(tmp_path / "tiny-oct", Modality.OCT)
    write_png(tmp_path / "photo.png", retina()[::12, ::12, ::-1])
    run("project", "add", project, tmp_path / "photo.png", "--author", "Ann")
    done = run("project", "predict", project, "--model", model.path, "--author", "Ann")
    assert done.exit_code == 0
    assert "'tiny-oct' segments OCT scans, but 'photo' is marked as a fundus" in done.stderr
    expected = "3 predicted; 1 skipped: the model is for another kind of image; 0 failed.\n"
    assert done.stdout == expected


def status(run, folder):
    return json.loads(run("project", "status", folder, "--json").stdout)


def test_masks_among_images_are_named_and_not_added(run, project, mask, tmp_path):
    save_mask(tmp_path / "more" / "p1_a_mask.png", np.zeros((96, 128), np.uint8), OCT_LAYERS)
    write_png(tmp_path / "more" / "new.png", phantom_bscan(9, 96, 128).image.pixels)
    done = run("project", "add", project, tmp_path / "more", "--author", "Ann")
    assert done.stdout == "1 added.\n"
    assert "1 mask not added: 'p1_a_mask.png'. Bring them in with 'project import'." in done.stderr
    alone = run("project", "add", project, tmp_path / "more" / "p1_a_mask.png", "--author", "Ann")
    assert alone.exit_code == 1
    assert "is a mask, not an image: import it" in alone.stderr


def test_from_an_empty_folder_to_masks_that_count(run, project, mask):
    predict(project, "p1_a", "p1_b")
    accepted = run("project", "accept", project, "p1_b", "--author", "Ann", "--comment", "fine")
    assert accepted.stdout == "Accepted oct-layers's mask of 'p1_b' by Ann.\n"
    attached = run("project", "attach", project, "p1_a", mask, "--author", "Eve")
    assert "to 'p1_a' as version 2" in attached.stdout
    found = status(run, project)
    assert (found["images"], found["versions"]) == (3, 4)
    assert {state: number for state, number in found["states"].items() if number} == {
        "unreviewed": 1,
        "corrected": 1,
        "accepted": 1,
    }
    history = json.loads(run("project", "history", project, "p1_a", "--json").stdout)
    assert [version["kind"] for version in history] == ["prediction", "human"]
    assert history[1]["author"] == "Eve"
    with Project(project, author="Ann") as opened:
        image = opened.find_image("p1_a")
        assert image.patient == "p1"
        labels = opened.annotation(image.id, opened.truth(image.id).number).labels
    np.testing.assert_array_equal(labels, phantom_bscan(0, 96, 128).labels)


def test_the_queue_lists_what_is_left_and_why(run, project):
    labels = phantom_bscan(9, 96, 128).labels
    sure = np.moveaxis(np.eye(8, dtype=np.float16)[labels], -1, 0)
    predict(project, "p1_a", "p2_a", probabilities=0.9 * sure + np.float16(0.0125))
    first = run("project", "queue", project)
    assert [line.split()[1] for line in first.stdout.splitlines()[1:]] == ["p1_a", "p1_b", "p2_a"]
    ordered = run("project", "queue", project, "--order", "gain", "--json")
    rows = json.loads(ordered.stdout)
    assert rows[-1]["name"] == "p1_b"
    assert rows[-1]["reason"].startswith("no prediction")
    assert rows[0]["reason"].startswith("mean uncertainty")
    assert "predict again" in ordered.stderr  # made without the figures
    accepted = run("project", "accept", project, "p1_a")
    assert accepted.exit_code == 0
    assert "p1_a" not in run("project", "queue", project, "--limit", 1).stdout
    assert "p1_a" in run("project", "queue", project, "--state", "accepted").stdout
    assert "No image matches" in run("project", "queue", project, "--state", "adjudicated").stderr


def test_what_corrections_cost_is_printed_and_reported(run, project, tmp_path):
    predict(project, "p1_a")
    assert "No first grading is finished yet" in run("project", "burden", project).stderr
    run("project", "accept", project, "p1_a", "--author", "Ann")
    told = run("project", "burden", project, "--out", tmp_path / "report")
    assert told.exit_code == 0, told.output
    assert "oct-layers" in told.stdout
    assert "no time" in told.stderr
    assert "p1_a" not in (tmp_path / "report/burden_images.csv").read_text()
    again = run("project", "burden", project, "--out", tmp_path / "report")
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_status_and_history_are_printed(run, project, mask):
    predict(project, "p1_a")
    with Project(project, author="Bob") as bob:
        drawn = Annotation(phantom_bscan(0, 96, 128).labels)
        bob.save_version(1, drawn, Action.CORRECT, parent=1, seconds=75, comment="by the book")
        bob.check_out(2)
        bob.autosave(2, drawn)
    told = run("project", "status", project).stdout
    assert "3 images of 'oct-layers' in 2 versions" in told
    assert "corrected: 1" in told
    assert "'p1_b' is being worked on by Bob." in told
    assert "Unsaved work of Bob on 'p1_b'" in told
    told = run("project", "history", project, "p1_a").stdout
    assert told.startswith("'p1_a' (#1) is corrected.")
    for word in ("prediction", "oct-layers", "Bob", "75 s", "by the"):
        assert word in told


def test_copies_are_noticed_and_what_is_no_image_fails(run, project, scans, tmp_path):
    (tmp_path / "notes.png").write_text("x")
    again = run("project", "add", project, scans / "p1_a.png", tmp_path / "notes.png")
    assert again.exit_code == 1
    assert "is in the project already, as 'p1_a' (#1)." in again.stderr
    assert "notes.png" in again.stderr
    assert again.stdout == "0 added, 1 known already, 1 failed.\n"


def test_copies_make_a_project_that_needs_nothing_else(run, tmp_path, scans):
    folder = tmp_path / "project"
    run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    run("project", "add", folder, scans, "--copy")
    for path in scans.iterdir():
        path.unlink()
    assert (
        run("project", "check", folder).stdout
        == "All records and files of the project are intact.\n"
    )


def test_a_second_grading_is_attached(run, project, mask):
    assert run("project", "attach", project, "p1_a", mask, "--author", "Ann").exit_code == 0
    refused = run("project", "attach", project, "p1_a", mask, "--author", "Bob")
    assert refused.exit_code == 1
    assert "is corrected already: reopen it to change it" in refused.stderr
    options = ("--author", "Bob", "--second-read")
    attached = run("project", "attach", project, "p1_a", mask, *options)
    assert attached.exit_code == 0
    assert "'--second-read' is now called '--second-grading'" in attached.stderr
    assert status(run, project)["states"]["second read"] == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (phantom_bscan(0, 96, 160).labels, "The mask is 160 × 96 px, the image 'p1_a' 128 × 96 px"),
        (255 * (phantom_bscan(0, 96, 128).labels > 0), "has the values 255: the classes of"),
        (np.full((96, 128, 3), [0, 90, 200]), "holds colours"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(run, project, tmp_path, values, said):
    write_png(tmp_path / "mask.png", values.astype(np.uint8))
    result = run("project", "attach", project, "p1_a", tmp_path / "mask.png", "--author", "Eve")
    assert result.exit_code == 1
    assert said in result.stderr
    assert status(run, project)["versions"] == 0


def test_values_of_other_programs_are_given_a_meaning(run, project, tmp_path):
    write_png(tmp_path / "mask.png", 255 * (phantom_bscan(0, 96, 128).labels == 3))
    options = ("--author", "Eve", "--remap", "255:3")
    result = run("project", "attach", project, "p1_a", tmp_path / "mask.png", *options)
    assert result.exit_code == 0, result.output


def test_a_mask_of_another_scheme_is_refused_and_one_of_its_own_taken(run, project, tmp_path):
    from napari_retina_seg.types.labels import DUKE_LAYERS

    labels = phantom_bscan(0, 96, 128).labels
    save_mask(tmp_path / "duke.png", labels, DUKE_LAYERS)
    result = run("project", "attach", project, "p1_a", tmp_path / "duke.png", "--author", "Eve")
    assert "was saved with the scheme 'duke-layers'" in result.stderr
    save_mask(tmp_path / "ours.png", labels, OCT_LAYERS)
    result = run("project", "attach", project, "p1_a", tmp_path / "ours.png", "--author", "Eve")
    assert result.exit_code == 0


def test_the_mask_of_a_volume(run, project, tmp_path):
    phantom = phantom_volume(0, 3, 96, 128)
    np.save(tmp_path / "volume.npy", phantom.image.pixels)
    np.save(tmp_path / "mask.npy", phantom.labels)
    assert run("project", "add", project, tmp_path / "volume.npy").exit_code == 0
    mask = tmp_path / "mask.npy"
    result = run("project", "attach", project, "volume", mask, "--author", "Eve")
    assert result.exit_code == 0, result.output
    with Project(project, author="Ann") as opened:
        labels = opened.annotation(opened.find_image("volume").id, 1).labels
    np.testing.assert_array_equal(labels, phantom.labels)


def test_check_reports_damaged_files(run, project, scans, mask):
    run("project", "attach", project, "p1_a", mask, "--author", "Eve")
    (kept,) = (project / "files").rglob("*.png")
    kept.write_bytes(kept.read_bytes()[:-1])
    (scans / "p2_a.png").unlink()
    cv2.imwrite(str(scans / "p1_b.png"), np.zeros((96, 128), np.uint8))
    (project / "files" / "stray.png").write_bytes(b"x")
    result = run("project", "check", project)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["cut", "altered", "missing", "orphan"]
    assert "does no harm" in lines[3]


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["create", "{project}", "--scheme", "oct-layers"], "already: open it", 1),
        (["create", "{new}", "--scheme", "nonsense"], "choose one of oct-layers", 2),
        (["status", "{new}"], "There is no project in", 1),
        (["history", "{project}", "nobody"], "has no image 'nobody'", 1),
        (["accept", "{project}", "p1_a"], "has no prediction", 1),
        (["accept", "{project}", "p1_a", "--author", " "], "Enter your name", 1),
        (["add", "{project}", "x", "--group-pattern", "("], "not a regular expression", 2),
    ],
)
def test_what_can_t_be_done_is_a_sentence(run, project, tmp_path, arguments, said, code):
    filled = [each.format(project=project, new=tmp_path / "new") for each in arguments]
    result = run("project", *filled)
    assert result.exit_code == code
    assert said in result.stderr


def test_help_brings_in_no_database():
    program = (
        "import sys; from napari_retina_seg.cli import main\n"
        "for command in ('create', 'check'):\n"
        "    sys.argv = ['napari-retina-seg', 'project', command, '--help']\n"
        "    try: main()\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "sys.exit(', '.join({'sqlalchemy', 'tensorflow', 'qtpy', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage") == 2


def test_a_model_segments_only_unreviewed_images(run, project, mask, oct_model):
    run("project", "attach", project, "p1_a", mask, "--author", "Eve")
    arguments = ("project", "predict", project, "--model", oct_model.path, "--author", "Ann")
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("2 predicted; 1 skipped: worked on by a person")
    second = run(*arguments, "--all").stdout
    assert second.startswith("1 predicted; 2 skipped: predicted by this model already")
    (project.parent / "scans" / "p2_a.png").unlink()
    assert run("project", "predict", project, "--model", "no-such").exit_code != 0
    history = json.loads(run("project", "history", project, "p2_a", "--json").stdout)
    assert [version["model"] for version in history] == ["tiny-oct"]


def test_check_repairs_what_can_be(run, project, mask):
    run("project", "attach", project, "p1_a", mask, "--author", "Ann")
    (stored,) = (project / "files").glob("*/*.png")
    stored.write_bytes(stored.read_bytes()[:-9])
    with closing(sqlite3.connect(project / "project.sqlite")) as raw, raw:
        raw.execute("UPDATE image SET name = 'p1_c' WHERE name = 'p1_b'")  # one bit
    found = run("project", "check", project)
    assert (found.exit_code, found.stderr) == (1, "")
    assert "is not as it was saved" in found.stdout
    assert "give --repair too" in run("project", "check", project, "--from", mask).stderr
    repaired = run("project", "check", project, "--repair", "--from", mask)
    assert repaired.exit_code == 0, repaired.output
    assert "Turned a bit of 'name' back" in repaired.stdout
    assert f"Restored '{stored}' from '{mask}'." in repaired.stdout
    assert "All records and files of the project are intact." in repaired.stdout


def test_images_are_removed_restored_and_called_by_their_kind(run, project, scans):
    removed = run("project", "remove", project, "p1_a", "--author", "Ann", "--reason", "twice")
    assert "Removed 'p1_a'" in removed.stdout
    status = run("project", "status", project, "--author", "Ann").stdout
    assert "2 images" in status
    assert "removed (not counted above): 1" in status
    assert "'project restore'" in run("project", "add", project, scans, "--author", "Ann").stderr
    refused = run("project", "accept", project, "p1_a", "--author", "Ann")
    assert "restore it first" in refused.stderr
    assert "Restored" in run("project", "restore", project, "p1_a", "--author", "Bob").stdout
    history = run("project", "history", project, "p1_a", "--author", "Ann").stdout
    assert "Removed by Ann" in history
    assert "twice; restored by Bob" in history
    changed = run("project", "modality", project, "p1_a", "--to", "fundus", "--author", "Ann")
    assert "of kind fundus" in changed.stdout


def test_second_gradings_are_dealt_to_several_people(run, project):
    dealt = run(
        *("project", "assign", project, "#1", "#2", "#3", "--author", "Ann"),
        *("--grader", "Bob", "--grader", "Carl"),
    )
    assert dealt.stdout.count("Bob is the second grader") == 2
    assert dealt.stdout.count("Carl is the second grader") == 1
    again = run("project", "assign", project, "#1", "--grader", "Dora", "--author", "Ann")
    assert again.exit_code == 1
    assert "second grader already: Bob" in again.stderr


def test_a_photograph_added_to_a_project_of_scans_is_noticed(run, project, tmp_path):
    write_png(tmp_path / "eye.png", retina()[::4, ::4])
    added = run("project", "add", project, tmp_path / "eye.png", "--author", "Ann")
    assert "'eye': it looks like a fundus photograph" in added.stderr
