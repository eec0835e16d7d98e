"""Running a model over what nobody has worked on, in the background."""

import json
import logging
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from distributed import LocalCluster
from qtpy.QtCore import Qt
from skimage.data import retina

from helpers import tiny_model, write_png
from mouse import settle
from napari_retina_seg._napari.job import JobResult, JobStatus
from napari_retina_seg._napari.review import batches as batch_panel
from napari_retina_seg._napari.review.batch_tasks import PredictImages, predict
from napari_retina_seg._napari.widgets import AMBER
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models import registry
from napari_retina_seg.models.registry import list_models
from napari_retina_seg.models.spec import TrainingRecord
from napari_retina_seg.project.model_uses import UsedModel
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import State
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import CancelToken, Progress, finish
from napari_retina_seg.types.segmentation import UNLIKE, Check
from napari_retina_seg.workflows import cluster
from napari_retina_seg.workflows.predicting import iter_predict_images


@pytest.fixture
def at_work(ann):
    """Return Ann with the last image, of which there is no prediction, before her."""
    ann.open_row(3)
    return ann


def test_images_that_the_model_is_not_for_are_no_failure(tmp_path):
    write_png(tmp_path / "scan.png", phantom_bscan(0, 64, 96).image.pixels)
    write_png(tmp_path / "photo.png", retina()[::12, ::12, ::-1])
    model = tiny_model(tmp_path / "tiny-oct", Modality.OCT)
    with Project.create(tmp_path / "project", scheme=OCT_LAYERS, author="Ann") as project:
        finish(project.iter_add_images([tmp_path / "scan.png", tmp_path / "photo.png"]))
        outcome = finish(predict(PredictImages(project, model), CancelToken()))
    assert (outcome.status, outcome.doubtful) == (JobStatus.SUCCEEDED, True)  # shown in amber
    assert "tiny-oct segmented 1 of 2 images. " in outcome.message
    assert "1 skipped: 'tiny-oct' segments OCT scans, but 'photo' is" in outcome.message


def test_what_the_model_s_card_warns_of_is_said_however_many_images_have_warnings(tmp_path):
    paths = [tmp_path / f"padded{number}.tif" for number in range(3)]
    for number, path in enumerate(paths):
        pixels = phantom_bscan(number, 64, 96).image.pixels.astype(np.float32)
        pixels[:, :20] = np.nan
        tifffile.imwrite(path, pixels)
    model = tiny_model(tmp_path / "tiny-oct", Modality.OCT)
    record = TrainingRecord(data="", epochs=1, steps=1, best_epoch=1, parameters=1, seconds=1,
                            backend="", precision="", warnings=("It misses the RPE.",))  # fmt: skip
    model = replace(model, spec=model.spec.model_copy(update={"training": record}))
    with Project.create(tmp_path / "project", scheme=OCT_LAYERS, author="Ann") as project:
        finish(project.iter_add_images(paths))
        outcome = finish(predict(PredictImages(project, model), CancelToken()))
    assert outcome.message.count("hold no data") == 3
    assert "3 of 3 images. It misses the RPE." in outcome.message


def test_one_click_predicts_all_that_is_unreviewed(at_work, folder, versions):
    with Project(folder, author="Bob") as bob:
        bob.accept(1)
    batches = at_work.dock.batches
    assert batches.models.currentText() == "tiny-oct"
    at_work.unfold(batches)
    told = []
    batches.message.connect(told.append)
    at_work.bot.mouseClick(batches.button, Qt.MouseButton.LeftButton)
    assert batches.is_running
    words = at_work.viewer.canvas.overlays.text
    assert (words.visible, words.text) == (True, "Prediction pending")
    assert "Prediction pending" in at_work.dock.info.text()
    at_work.dock.decisions.finish.click()  # of an empty mask that nobody has touched
    assert "wait for it, or paint" in at_work.said
    assert not batches.button.isEnabled()
    assert batches.bar.cancel_button.isVisible()
    at_work.bot.waitUntil(lambda: not batches.is_running, timeout=120_000)
    at_work.wait()
    assert at_work.dock.status.result is JobStatus.SUCCEEDED
    assert "tiny-oct segmented 3 of 3 images" in at_work.said
    assert told[0] == "Loading tiny-oct…"
    assert any(re.match(r"2 of 3, about \d+ s left: scan3", words) for words in told)
    assert not words.visible
    models = [
        [v.model for v in versions(n) if v.kind is VersionKind.PREDICTION] for n in range(1, 5)
    ]
    assert models[0] == ["oct-layers"]
    assert [names[-1] for names in models[1:]] == ["tiny-oct"] * 3
    # The open image was empty: it shows the prediction now, which can be accepted.
    assert at_work.name == "scan3"
    assert at_work.session.review_layers.opened.permissions.prediction.model == "tiny-oct"
    at_work.press(Qt.Key.Key_G)  # says what is open
    at_work.press(Qt.Key.Key_G)
    assert versions(4)[-1].author == "Ann"


def test_a_prediction_appears_while_others_are_still_being_drawn(
    at_work, draw_as_model, scans, versions
):
    drawn = scans[3][1]
    draw_as_model(4, drawn)
    at_work.dock.batches.stepped.emit()
    at_work.wait()
    assert np.array_equal(at_work.mask.data, drawn)
    at_work.press(Qt.Key.Key_G)
    assert versions(4)[-1].state is State.ACCEPTED


@pytest.fixture
def padded(ann, folder, tmp_path):
    """Predict a scan whose left columns hold no data; Ann has opened it."""
    pixels = phantom_bscan(7, 96, 128).image.pixels.astype(np.float32)
    pixels[:, :20] = np.nan
    tifffile.imwrite(tmp_path / "padded.tif", pixels)
    with Project(folder, author="Zoe") as project:
        (image,) = project.add_images([tmp_path / "padded.tif"]).images
        (model,) = (model for model in list_models() if model.name == "tiny-oct")
        finish(iter_predict_images(project, model, (image.id,)))
        assert project.annotation(image.id, 1).ignore[:, :20].all()
    ann.dock.queue.refresh_list()
    ann.wait()
    ann.dock.opens_next.setChecked(False)
    ann.open_row(4)
    assert ann.name == "padded"
    return ann


def test_a_prediction_of_padded_columns_is_accepted_as_it_is(padded, versions):
    padded.press(Qt.Key.Key_G)  # says what is open
    padded.press(Qt.Key.Key_G)
    assert versions(5)[-1].state is State.ACCEPTED


def test_a_prediction_is_not_accepted_once_its_questionable_region_was_changed(padded, versions):
    marks = padded.viewer.layers["padded · mask · questionable"]
    marks.data[40:50, 60:70] = 1
    padded.press(Qt.Key.Key_G)
    assert "You have changed 'padded'" in padded.said
    padded.viewer.layers.remove(marks)
    settle()
    padded.press(Qt.Key.Key_G)
    assert "You have changed 'padded'" in padded.said
    assert len(versions(5)) == 1


def test_a_warning_of_the_checks_is_shown_beside_accept(at_work, draw_as_model, scans):
    info = at_work.dock.info
    assert (UNLIKE in info.text(), info.styleSheet()) == (False, "")
    checks = (Check("uncertainty", "the model is unsure"),)
    draw_as_model(4, scans[3][1], checks=checks)
    at_work.dock.batches.stepped.emit()
    at_work.wait()
    assert f"⚠ {UNLIKE}: check it (the model is unsure)." in info.text().splitlines()
    assert AMBER in info.styleSheet()
    at_work.open_row(0)
    assert (UNLIKE in info.text(), info.styleSheet()) == (False, "")
    at_work.open_row(3)
    assert UNLIKE in info.text()
    assert AMBER in info.styleSheet()


def test_what_was_painted_is_not_replaced_by_a_prediction(at_work, draw_as_model, scans, versions):
    painted = at_work.paint()
    draw_as_model(4, scans[3][1])
    at_work.dock.batches.stepped.emit()
    at_work.wait()
    assert np.array_equal(at_work.mask.data, painted)
    at_work.press(Qt.Key.Key_W)  # says what is open
    at_work.press(Qt.Key.Key_W)
    assert (versions(4)[-1].state, versions(4)[-1].conflict) == (State.CORRECTED, False)


def test_a_prediction_comes_to_the_project_in_which_the_model_runs(
    ann, folder, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    ann.open_row(3)

    def model_at_work(task, token):
        while not token.cancelled:
            time.sleep(0.02)
            yield Progress(0, 0, "Drawing")
        return JobResult(JobStatus.SUCCEEDED)

    def open_last_of(where):
        ann.dock.bar.opened.emit(where, "Ann")
        ann.bot.waitUntil(lambda: ann.session.project.folder == where)
        for _ in range(4):
            ann.dock.open_next()
            ann.bot.waitUntil(lambda: not ann.session.busy)
        assert ann.name == "scan3"

    def finished():
        ann.dock.decisions.finish.click()
        return ann.session.review_layers.opened.image.state is State.CORRECTED

    batches, words = ann.dock.batches, ann.viewer.canvas.overlays.text
    ann.dock.opens_next.setChecked(False)
    monkeypatch.setattr(batch_panel, "predict", model_at_work)
    batches.predict()
    assert words.visible
    open_last_of(other)
    assert not words.visible
    assert "Prediction pending" not in ann.dock.info.text()
    ann.dock.decisions.finish.click()
    ann.bot.waitUntil(lambda: "Not saved yet" in ann.said)
    ann.bot.waitUntil(finished)
    open_last_of(folder)
    assert (words.visible, words.text) == (True, "Prediction pending")
    ann.viewer.window.remove_dock_widget(ann.dock)  # nothing comes any more
    assert not words.visible


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a scheduler; its worker is a thread, so that TensorFlow is loaded."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as started:
        yield started.scheduler_address


def choose_scheduler(person, address):
    run_on = person.dock.batches.run_on
    person.unfold(run_on)
    run_on.place.setCurrentText("Scheduler")
    run_on.address.clear()
    person.bot.keyClicks(run_on.address, address)


def newest(project):
    versions = {number: project.history(number)[-1] for number in range(1, 5)}
    assert {version.model for version in versions.values()} == {"tiny-oct"}
    return [project.annotation(image, version.number) for image, version in versions.items()]


def test_workers_of_a_scheduler_draw_what_the_window_draws(at_work, folder, tmp_path, scheduler):
    shutil.copytree(folder, tmp_path / "copy")
    (model,) = (model for model in list_models() if model.name == "tiny-oct")
    with Project(tmp_path / "copy", author="Zoe") as copy:
        finish(predict(PredictImages(copy, model), CancelToken()))
        alone = newest(copy)
    batches, told = at_work.dock.batches, []
    batches.message.connect(told.append)
    choose_scheduler(at_work, scheduler)
    at_work.bot.mouseClick(batches.button, Qt.MouseButton.LeftButton)
    at_work.bot.waitUntil(batches.bar.dashboard.isVisible, timeout=20_000)
    assert batches.bar.dashboard.toolTip().startswith("http://127.0.0.1:")
    at_work.bot.waitUntil(lambda: not batches.is_running, timeout=120_000)
    at_work.wait()
    assert "tiny-oct segmented 4 of 4 images" in at_work.said
    assert not batches.bar.dashboard.isVisible()
    assert told[:2] == ["Connecting to the scheduler…", f"On {scheduler}…"]
    for one, other in zip(alone, newest(at_work.session.project), strict=True):
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.boundaries, other.boundaries, equal_nan=True)


def test_a_scheduler_that_does_not_answer_is_said(at_work, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.3)
    choose_scheduler(at_work, "tcp://127.0.0.1:9")
    at_work.click(at_work.dock.batches.button)
    assert at_work.dock.status.result is JobStatus.FAILED
    assert "No scheduler answers at 'tcp://127.0.0.1:9': start one" in at_work.said
    assert at_work.dock.batches.button.isEnabled()


def test_it_can_be_cancelled(at_work, tmp_path):
    at_work.dock.batches.predict()
    at_work.bot.mouseClick(at_work.dock.batches.bar.cancel_button, Qt.MouseButton.LeftButton)
    at_work.bot.waitUntil(lambda: not at_work.dock.batches.is_running, timeout=120_000)
    assert at_work.dock.status.result is JobStatus.CANCELLED
    assert at_work.dock.batches.button.isEnabled()


def test_models_of_other_classes_are_not_offered(person, tmp_path, folder):
    from napari_retina_seg.types.labels import DUKE_LAYERS

    Project.create(tmp_path / "duke", scheme=DUKE_LAYERS, author="Ann").close()
    person.open(tmp_path / "duke", "Ann")
    assert not person.dock.batches.button.isEnabled()
    assert "No model segments 'duke-layers'" in person.dock.batches.button.toolTip()
    shutil.rmtree(tmp_path / "duke")


def test_the_model_that_the_project_uses_is_offered_first(ann, tmp_path, model_folders):
    folder = shutil.copytree(model_folders[0], tmp_path / "better")
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(spec | {"name": "better"}))
    registry.add_model(folder)
    ann.dock.reload()
    models = ann.dock.batches.models
    assert models.currentText() == "tiny-oct"
    used = (UsedModel(name, "", spec["weights_sha256"]) for name in ("better", "tiny-oct"))
    ann.session.project.use_model(*used, "it is better")
    ann.dock.reload()
    assert models.currentText() == "better"
