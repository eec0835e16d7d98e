"""A model is improved in a program of its own, which the dock starts, follows and finds again."""

import os
import signal

import cv2
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from helpers import write_png
from napari_retina_seg._napari.improve.recipe_form import RecipeForm
from napari_retina_seg._napari.improve.runs import ImageRow
from napari_retina_seg._napari.improve.side_by_side import ProofCase, SideBySide
from napari_retina_seg._napari.widgets import GREEN
from napari_retina_seg.models import registry
from napari_retina_seg.models.registry import open_model
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.segmentation import Provenance, Segmentation
from napari_retina_seg.workflows.improvement_log import Ended, Note, RunsIn, writing_log
from napari_retina_seg.workflows.promoting import promoted_model

SIDE = 112
MANY, TESTED = 12, 5  # of so many patients, a third proves the one model that is trained
LONG = 240_000  # ms; the program starts TensorFlow and trains a small network
QUICK = {
    "training.crop": (64, 64),
    "training.batch": 4,
    "training.epochs": 2,
    "training.steps_per_epoch": 20,
    "training.ema": 0.5,
    # The model to begin with draws nothing yet.
    "training.kept_share": 0.0,
    "training.batch_statistics": "fast",
    "optimizer.learning_rate": 2e-2,
    "optimizer.warmup": 0,
}


def draw(seed):
    """Return a photograph of a disc with dark vessels, and the mask of the vessels."""
    rng = np.random.default_rng(seed)
    mask, disc = np.zeros((2, SIDE, SIDE), np.uint8)
    for _ in range(4):
        ends = rng.integers(10, SIDE - 10, (2, 2))
        cv2.line(mask, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1, 4)
    cv2.circle(disc, (SIDE // 2, SIDE // 2), 50, 1, -1)
    mask &= disc
    pixels = np.full((SIDE, SIDE, 3), (190, 110, 60), np.float64)
    pixels[mask > 0] *= 0.45
    pixels += rng.normal(0, 4, pixels.shape)
    return np.clip(pixels, 1, 255).astype(np.uint8) * disc[..., np.newaxis], mask


@pytest.fixture
def images():
    """Return how many photographs the project has."""
    return 6


@pytest.fixture
def study(tmp_path, home, model_folders, monkeypatch, images):
    """Return a project of photographs whose masks began with the tiny model and were corrected."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))  # the program's own registry, too
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    registry.add_model(model_folders[1])
    model = open_model(model_folders[1])
    made = Provenance("", model.name, model.spec.weights_sha256, "0", "CPU", "float32", 0.1)
    folder = tmp_path / "study"
    with Project.create(folder, scheme=FUNDUS_VESSELS, author="Ann") as project:
        for seed in range(images):
            pixels, mask = draw(seed)
            path = tmp_path / "photographs" / f"p{seed}.png"
            write_png(path, pixels)
            (image,) = project.add_images([path]).images
            drawn = Segmentation(np.zeros_like(mask), scheme=FUNDUS_VESSELS, provenance=made)
            parent = project.add_prediction(image.id, drawn).number
            project.save_version(image.id, Annotation(mask), Action.CORRECT, parent=parent)
    return folder


@pytest.fixture
def dock(viewer, qtbot):
    """Return the Improve dock, opened as the menu does it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Improve")
    yield widget
    widget.running.pause()
    qtbot.waitUntil(lambda: not widget.runs.is_running, timeout=LONG)


@pytest.fixture
def chosen(dock, study, qtbot):
    """Return the dock once the project was chosen and looked at."""
    dock.project.author.setText("Ann")
    dock.project.choose(study)
    qtbot.waitUntil(lambda: dock.preparation.ahead.preview is not None, timeout=30_000)
    return dock


@pytest.fixture
def fundus_recipe(model_folders):
    """Return the recipe that fine-tunes the tiny model."""
    return fine_tuning_recipe(open_model(model_folders[1]).spec)


def choose_patients(dock, words):
    dock.preparation.patients.choice.setCurrentText(words)


def push(qtbot, button):
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("images", [MANY])
def test_from_corrections_to_a_promoted_model_through_a_killed_program(
    chosen, study, qtbot, monkeypatch
):
    dock = chosen
    assert "patients" in dock.preparation.notes.text()
    assert not dock.button.isEnabled(), "patients are unknown"
    assert "choose an option under Patients" in dock.preparation.notes.text()
    choose_patients(dock, "Each image is its own patient")
    qtbot.waitUntil(dock.button.isEnabled, timeout=30_000)
    assert "The model in use is 'tiny-fundus'." in dock.preparation.notes.text()
    assert f"{MANY} corrected masks of {MANY} patients" in dock.preparation.notes.text()
    for key, value in QUICK.items():
        dock.preparation.recipe.field(key).value = value

    push(qtbot, dock.button)
    qtbot.waitUntil(lambda: dock.runs.status.is_running, timeout=LONG)
    assert dock.running.pause_button.isEnabled()
    os.kill(dock.runs.status.started.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: dock.button.text() == "Go on", timeout=LONG)
    assert "The program was ended from outside" in dock.status.text()
    assert "Go on continues it where it was" in dock.status.text()

    qtbot.waitUntil(dock.button.isEnabled, timeout=30_000)
    push(qtbot, dock.button)
    qtbot.waitUntil(lambda: dock.result.proof.rowCount() == 2, timeout=LONG)
    assert "Proven: better in the mean" in dock.status.text()
    assert GREEN in dock.status.styleSheet()
    assert (dock.runs.status.folder / "improvement.html").is_file()
    see_an_image_side_by_side(dock, qtbot)

    push(qtbot, dock.result.promote_button)
    assert "Nothing is trained" in dock.status.text()
    taken = "It was taken into use. Segment and Review have chosen 'tiny-fundus-tuned'."
    qtbot.waitUntil(lambda: taken in dock.status.text(), timeout=LONG)
    with Project(study, author="Ann") as project:
        assert promoted_model(project).name == "tiny-fundus-tuned"
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    qtbot.waitUntil(dock.back_button.isEnabled, timeout=LONG)  # it looks at the project anew
    push(qtbot, dock.back_button)
    qtbot.waitUntil(lambda: "'tiny-fundus' is the project's model again" in dock.status.text())


def see_an_image_side_by_side(dock, qtbot):
    """Double-click the image that gained most, and close the comparison."""
    images, layers = dock.result.images, dock._viewer.layers
    assert images.rowCount() == TESTED
    best = images.visualItemRect(images.item(0, 0)).center()
    opened = dock._viewer.add_image(np.zeros((4, 4)), name="opened before")
    qtbot.mouseClick(images.viewport(), Qt.MouseButton.LeftButton, pos=best)
    qtbot.mouseDClick(images.viewport(), Qt.MouseButton.LeftButton, pos=best)
    qtbot.waitUntil(lambda: len(layers) == 8, timeout=30_000)
    assert not opened.visible
    name = images.item(0, 0).text()
    masks = [layers[f"{name} · {kind}, mask"] for kind in ("in use", "new", "corrected")]
    places = [mask.translate[1] for mask in masks]
    assert places[0] == 0
    assert SIDE < places[1] < places[2] - SIDE
    missing, invented = 2, 3
    assert not np.isin(masks[2].data, (missing, invented)).any()
    right = [(mask.data == 1).sum() for mask in masks]
    assert right[0] < right[1] <= right[2]
    assert right[1] + (masks[1].data == missing).sum() == right[2]
    push(qtbot, dock.result.clear_button)
    assert list(layers) == [opened]
    assert opened.visible


def test_a_comparison_gives_way_to_an_image_that_is_opened(viewer):
    masks = np.zeros((3, 8, 9), np.uint8)
    row = ImageRow(name="#1", candidate=0.8, current=0.7, gain=0.1)
    picture = np.zeros((8, 9, 3), np.uint8)
    side_by_side = SideBySide(viewer)
    side_by_side.show(ProofCase("eye", row, FUNDUS_VESSELS, picture, *masks))
    assert side_by_side.is_shown
    viewer.add_image(np.zeros((5, 5)), name="next")
    assert [layer.name for layer in viewer.layers] == ["next"]


def test_a_run_is_paused_or_ended_early(chosen, study, qtbot):
    with writing_log(study, ()) as log:
        chosen.runs.poll()
        assert chosen.running.finish_button.isVisibleTo(chosen)
        assert not log.is_enough()
        push(qtbot, chosen.running.finish_button)
        assert log.is_enough()
        assert "then both models are compared" in chosen.status.text()
        assert not chosen.running.pause_button.isEnabled()
    with writing_log(study, ()) as log:
        assert not log.is_enough(), "that was said of the run before"


def test_the_picture_of_the_newest_training_is_shown(chosen, study, qtbot):
    folder = study / "improvements" / "tiny-fundus"
    with writing_log(study, ()) as log:
        log.add(RunsIn(runs_in=folder, candidate="new"))
        for number, color in enumerate((50, 200)):
            (folder / f"fold-{number}").mkdir(parents=True)
            file = folder / f"fold-{number}" / "snapshot.png"
            cv2.imwrite(str(file), np.full((40, 80, 3), color, np.uint8))
            os.utime(file, (number, number))
        chosen.runs.poll()
        chosen._on_run(chosen.runs.status)
        assert chosen.snapshot.isVisibleTo(chosen)
        assert chosen.snapshot.pixmap().toImage().pixelColor(5, 5).red() == 200


def test_time_and_memory_are_asked_of_another_program(chosen, study, qtbot):
    """What they are, `tests/cli` sees; here that program finds that too few images are left."""
    choose_patients(chosen, "Each image is its own patient")
    qtbot.waitUntil(chosen.preparation.estimate_button.isEnabled, timeout=30_000)
    with Project(study, author="Bob") as project:
        project.remove_images([1, 2, 3, 4], "blurred")
    push(qtbot, chosen.preparation.estimate_button)
    assert "Trying a few steps" in chosen.preparation.time_needed.text()
    qtbot.waitUntil(
        lambda: "can't be estimated" in chosen.preparation.time_needed.text(), timeout=LONG
    )
    assert "There are corrected masks of 2 patients" in chosen.preparation.time_needed.text()


def test_what_a_program_found_is_shown_when_the_dock_is_opened_again(dock, study):
    with writing_log(study, ["--set", "epochs=3"]) as log:
        log.add(Note(note="One image was left out."))
        log.add(Ended(failure="The disk is full: free some space."))
    dock.project.choose(study)
    assert "The disk is full: free some space." in dock.status.text()
    assert not dock.running.pause_button.isVisibleTo(dock)
    assert dock.runs.status.notes == ("One image was left out.",)


def test_a_program_that_can_not_begin_is_no_success_of_an_earlier_one(chosen, study, qtbot):
    with writing_log(study, ()) as log:
        log.add(Ended(failure="", summary="Better.", verdict="Proven.", proven=True))
    chosen.runs.poll()
    assert "Better." in chosen.status.text()
    chosen._start(("--set", "no-such-key=1"))
    qtbot.waitUntil(lambda: not chosen.runs.is_running, timeout=LONG)
    assert "no-such-key" in chosen.status.text()
    assert "Better" not in chosen.status.text()


def test_what_is_not_known_of_a_former_model_yet_is_not_said(dock, study, qtbot):
    dock.project.author.setText("Ann")
    dock.project.choose(study)
    assert dock.back_button.toolTip() == "Looking at the corrected masks…"
    qtbot.waitUntil(lambda: "No other model" in dock.back_button.toolTip(), timeout=30_000)


def test_numbers_of_a_recipe_are_kept_to_the_last_digit(fundus_recipe, qtbot):
    form = RecipeForm()
    qtbot.addWidget(form)
    form.show_recipe(fundus_recipe)
    assert form.options == ()
    form.field("training.ema").value = 0.999
    form.field("optimizer.learning_rate").value = 1.234e-4
    assert form.options == (
        *("--set", "training.ema=0.999"),
        *("--set", "optimizer.learning_rate=0.0001234"),
    )


def test_without_a_project_the_dock_says_what_to_do(dock):
    assert not dock.button.isEnabled()
    assert "Choose a project" in dock.button.toolTip()
