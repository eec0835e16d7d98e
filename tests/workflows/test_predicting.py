"""A model over a project: what it draws is kept, what people did stays, bad images are told."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import retina

from helpers import tiny_model, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.project.filters import Order
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish
from napari_retina_seg.types.segmentation import Provenance, Segmentation
from napari_retina_seg.workflows.predicting import iter_predict_images


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny-oct", Modality.OCT)


@pytest.fixture
def scans(ann, tmp_path: Path):
    """Add three B-scans."""
    paths = [tmp_path / f"scan{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        write_png(path, phantom_bscan(number, 64, 96).image.pixels)
    return ann.add_images(paths).images


def test_all_are_predicted_once_with_what_the_review_needs(ann, scans, model):
    ids = [scan.id for scan in scans]
    job = iter_predict_images(ann, model, ids)
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as end:
            done = end.value
            break
    assert done.image_ids == tuple(ids)
    assert (done.skipped, done.problems) == ((), ())
    assert [steps[0].done, steps[-1].done, steps[-1].total] == [0, 3, 3]
    for scan in scans:
        (version,) = ann.history(scan.id)
        assert (version.kind, version.model) == (VersionKind.PREDICTION, "tiny-oct")
        assert ann.image(scan.id).uncertainty == version.uncertainty > 0
        annotation = ann.annotation(scan.id, version.number)
        assert annotation.boundaries is not None
        probabilities = ann.probabilities(scan.id, version.number)
        assert probabilities.shape == (8, 64, 96)
        assert ann.truth(scan.id) is None
    again = finish(iter_predict_images(ann, model, ids))
    assert (again.image_ids, again.skipped) == ((), tuple(ids))
    renamed = replace(model, spec=model.spec.model_copy(update={"name": "of-a-later-version"}))
    again = finish(iter_predict_images(ann, renamed, ids))
    assert (again.image_ids, again.skipped) == ((), tuple(ids))


def test_the_order_by_expected_gain_is_worked_out_with_reasons(ann, scans, model):
    finish(iter_predict_images(ann, model, [scan.id for scan in scans[:2]]))
    first, second, third = ann.queue(order=Order.GAIN)
    assert first.gain >= second.gain >= 0
    assert "columns" in first.reason
    assert (third.id, third.gain) == (scans[2].id, None)
    assert third.reason.startswith("no prediction")
    assert ann.predictions_without_figures() == {}


def test_figures_that_an_earlier_version_left_out_are_added_without_running_the_model(
    ann, scans, model
):
    finish(iter_predict_images(ann, model, [scans[0].id]))
    drawn = ann.queue(order=Order.GAIN)[0]
    probabilities = ann.probabilities(scans[0].id, 1)
    earlier = replace(ann.annotation(scans[0].id, 1), probabilities=probabilities, ignore=None)
    segmentation = Segmentation(
        **{name: getattr(earlier, name) for name in ("labels", "boundaries", "probabilities")},
        scheme=ann.scheme,
        provenance=Provenance("", model.name, model.spec.weights_sha256, "", "CPU", "float32", 1),
    )
    ann.add_prediction(scans[0].id, segmentation)  # as an earlier version of the program did
    assert ann.predictions_without_figures() == {scans[0].id: 2}
    ranked = ann.rank_images()
    assert ranked.without_figures == 1
    assert "without running the model" in ranked.sentence
    assert "mean uncertainty" in ann.image(scans[0].id).reason
    again = finish(iter_predict_images(ann, model, [scans[0].id]))
    assert again.skipped == (scans[0].id,)
    assert len(ann.history(scans[0].id)) == 2
    assert ann.image(scans[0].id).reason == drawn.reason


def test_a_mirrored_image_is_compared_on_request(ann, scans, model):
    done = finish(iter_predict_images(ann, model, [scans[0].id], mirrored=True))
    assert done.image_ids == (scans[0].id,)
    figures = figures_of(ann, scans[0].id)
    assert 0 <= figures["differs"] <= 1
    assert figures["differs_from"] == "the mask of its mirror image"


def figures_of(project, image_id):
    with closing(sqlite3.connect(project.folder / "project.sqlite")) as raw:
        query = "SELECT figures FROM review_figures WHERE image_id = ?"
        return json.loads(raw.execute(query, (image_id,)).fetchone()[0])


def test_an_image_is_mirrored_with_its_colours_and_what_holds_data():
    from napari_retina_seg.workflows.predicting import _mirror

    image = phantom_bscan(0, 64, 96).image
    valid = np.zeros((64, 96), bool)
    valid[:, :5] = True
    turned = _mirror(replace(image, valid=valid))
    np.testing.assert_array_equal(turned.plane(), image.plane()[:, ::-1])
    np.testing.assert_array_equal(turned.valid_plane(), valid[:, ::-1])
    color = RetinaImage(np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3), color=True)
    np.testing.assert_array_equal(_mirror(color).plane(1), color.plane(1)[:, ::-1])


def test_what_a_person_has_begun_is_left_alone_unless_it_is_asked_for(ann, scans, model):
    mask = Annotation(np.zeros((64, 96), np.uint8))
    ann.save_version(scans[0].id, mask, Action.CORRECT)
    ids = [scan.id for scan in scans]
    done = finish(iter_predict_images(ann, model, ids))
    assert (done.skipped, done.graded) == ((), (scans[0].id,))
    everything = finish(iter_predict_images(ann, model, ids, reviewed=True))
    assert everything.image_ids == (scans[0].id,)
    assert ann.truth(scans[0].id).number == 1


def test_bad_images_are_reported_and_the_rest_goes_on(ann, scans, model, tmp_path):
    scans[0].path.unlink()
    scans[1].path.write_bytes(scans[2].path.read_bytes())
    write_png(tmp_path / "blank.png", np.zeros((64, 96), np.uint8))
    blank = ann.add_images([tmp_path / "blank.png"]).images
    done = finish(iter_predict_images(ann, model, [image.id for image in (*scans, *blank)]))
    assert done.image_ids == (scans[2].id,)
    told = dict(zip(("scan0", "scan1", "blank"), done.problems, strict=True))
    assert "is no longer at" in told["scan0"]
    assert "was changed since" in told["scan1"]
    assert all(f"'{name}'" in sentence or name in sentence for name, sentence in told.items())


def test_images_that_the_model_is_not_for_are_skipped(ann, scans, model, tmp_path):
    write_png(tmp_path / "photo.png", retina()[::12, ::12, ::-1])
    (photo,) = finish(ann.iter_add_images([tmp_path / "photo.png"])).images
    done = finish(iter_predict_images(ann, model, [photo.id, *(scan.id for scan in scans)]))
    assert done.image_ids == tuple(scan.id for scan in scans)
    assert not done.problems
    assert not done.failed
    (sentence,) = done.unfit
    assert "'photo'" in sentence
    assert "segments OCT scans" in sentence
    assert ann.history(photo.id) == ()
    # Of a model that is for none of them, this is no success.
    assert finish(iter_predict_images(ann, model, [photo.id])).failed


def test_cancelling_keeps_what_is_done(ann, scans, model):
    token = CancelToken()
    job = iter_predict_images(ann, model, [scan.id for scan in scans], token=token)
    while next(job).done == 0:
        pass
    token.cancel()
    with pytest.raises(Cancelled, match="after 1 of 3 images"):
        finish(job)
    assert [len(ann.history(scan.id)) for scan in scans] == [1, 0, 0]


def test_a_model_of_other_classes_is_refused_before_the_work(ann, scans, tmp_path):
    other = tiny_model(tmp_path / "tiny-fundus", Modality.FUNDUS)
    with pytest.raises(ProjectError, match="choose a model with these classes"):
        finish(iter_predict_images(ann, other, [scan.id for scan in scans]))


def test_pixels_without_data_are_questionable_in_a_project(ann, tmp_path, model):
    import tifffile

    pixels = phantom_bscan(0, 64, 96).image.pixels.astype(np.float32)
    pixels[:, :20] = np.nan
    tifffile.imwrite(tmp_path / "scan.tif", pixels)
    (scan,) = ann.add_images([tmp_path / "scan.tif"]).images
    finish(iter_predict_images(ann, model, [scan.id]))
    version = ann.accept(scan.id)
    annotation = ann.annotation(scan.id, version.number)
    expected = np.zeros((64, 96), bool)
    expected[:, :20] = True
    assert not annotation.labels[expected].any()
    # An untrained network may leave layers open elsewhere, as a guess: those pixels have a class.
    np.testing.assert_array_equal(annotation.ignore & (annotation.labels == 0), expected)


def test_a_prediction_that_is_not_plausible_is_kept_with_what_fired_and_listed(ann, tmp_path):
    from napari_retina_seg.models.registry import find_model
    from napari_retina_seg.project.filters import Filters

    upright = phantom_bscan(0).image.pixels
    write_png(tmp_path / "right.png", upright)
    write_png(tmp_path / "wrong.png", np.ascontiguousarray(upright[::-1]))
    right, wrong = ann.add_images([tmp_path / "right.png", tmp_path / "wrong.png"]).images
    done = finish(iter_predict_images(ann, find_model("oct-layers"), [right.id, wrong.id]))

    assert done.warned == (wrong.id,)
    assert [image.id for image in ann.queue(Filters(warned=True))] == [wrong.id]
    assert "upside down" in ann.image(wrong.id).warning
    assert ann.image(right.id).warning == ""
    (version,) = ann.history(wrong.id)
    assert version.checks[0].name == "orientation"
    assert "upside down" in version.comment
    assert ann.history(right.id)[0].checks == ()


def test_a_project_from_before_the_checks_is_brought_up_to_date(ann, scans, model):
    import sqlite3

    from napari_retina_seg.project.project import Project

    finish(iter_predict_images(ann, model, [scans[0].id]))
    folder = ann.folder
    ann.close()
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.execute("DROP TABLE confirmed_name")
    connection.execute("DROP TABLE removal")
    connection.execute("DROP TABLE model_use")
    connection.execute("DROP TABLE review_figures")
    connection.execute("DROP TABLE member")
    connection.execute("DROP INDEX image_gain_first")
    connection.execute("DROP INDEX image_state_gain_first")
    connection.execute("ALTER TABLE image DROP COLUMN gain")
    connection.execute("ALTER TABLE image DROP COLUMN reason")
    connection.execute("ALTER TABLE autosave DROP COLUMN comment")
    connection.execute("ALTER TABLE second_reader DROP COLUMN compared_at")
    connection.execute("ALTER TABLE image DROP COLUMN warning")
    connection.execute("ALTER TABLE version DROP COLUMN checks")
    connection.execute("ALTER TABLE project DROP COLUMN files")
    connection.execute("UPDATE schema_version SET version = 1")
    connection.commit()
    connection.close()

    with Project(folder, author="Ann") as again:
        assert [image.warning for image in again.images()] == ["", "", ""]
        assert again.history(scans[0].id)[0].checks == ()
        assert [image.gain for image in again.images()] == [None, None, None]
        finish(iter_predict_images(again, model, [scans[1].id]))
        assert len(again.history(scans[1].id)) == 1
