"""A model over a project: what it draws is kept, what people did stays, bad images are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import retina

from helpers import tiny_model, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.project.states import Action
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish
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
    np.testing.assert_array_equal(annotation.ignore, expected)
    assert not annotation.labels[expected].any()


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
    connection.execute("ALTER TABLE autosave DROP COLUMN comment")
    connection.execute("ALTER TABLE second_reader DROP COLUMN compared_at")
    connection.execute("ALTER TABLE image DROP COLUMN warning")
    connection.execute("ALTER TABLE version DROP COLUMN checks")
    connection.execute("UPDATE schema_version SET version = 1")
    connection.commit()
    connection.close()

    with Project(folder, author="Ann") as again:
        assert [image.warning for image in again.images()] == ["", "", ""]
        assert again.history(scans[0].id)[0].checks == ()
        finish(iter_predict_images(again, model, [scans[1].id]))
        assert len(again.history(scans[1].id)) == 1
