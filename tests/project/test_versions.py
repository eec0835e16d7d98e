"""Versions: what is saved comes back to the bit, and nothing that was saved changes."""

import sqlite3

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_retina_seg.io.masks import read_mask
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.segmentation import Segmentation

pytestmark = pytest.mark.both_databases

SHAPE = (16, 24)


def same(one, other):
    parts = ("labels", "boundaries", "ignore")
    pairs = [(getattr(one, part), getattr(other, part)) for part in parts]
    return all(
        (a is None and b is None) or (a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True))
        for a, b in pairs
    )


annotations = st.builds(
    Annotation,
    hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 7)),
    st.none() | hnp.arrays(np.float32, (8, 24), elements=st.floats(0, 16, width=32)),
    st.none() | hnp.arrays(np.bool_, SHAPE).filter(np.any),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(annotations)
def test_a_drawing_comes_back_as_it_was(ann, image, drawn):
    known = ann.history(image.id)
    parent = known[-1].number if known else None
    version = ann.save_version(image.id, drawn, Action.DRAFT, parent=parent)
    assert same(ann.annotation(image.id, version.number), drawn)


@pytest.mark.parametrize("shape", [(3, 16, 24), (1, 16, 24), (4, 16, 3)])
def test_volumes_come_back_with_all_their_slices(ann, tmp_path, make, shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    tifffile.imwrite(tmp_path / "v.tif", pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    volume = ann.add_images([tmp_path / "v.tif"]).images[0]
    drawn = make.annotation(0, volume.shape)
    region = drawn.labels > 3
    heights = np.full((*volume.shape[:-2], 8, volume.shape[-1]), 2.5, np.float32)
    drawn = Annotation(drawn.labels, heights, region)
    version = ann.save_version(volume.id, drawn, Action.CORRECT)
    assert same(ann.annotation(volume.id, version.number), drawn)


def test_a_mask_is_a_file_that_other_programs_read(ann, image, make):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    path = ann.folder / "files" / version.mask[:2] / f"{version.mask}.png"
    labels, scheme = read_mask(path)
    assert scheme == ann.scheme
    np.testing.assert_array_equal(labels, make.annotation().labels)


def test_the_same_mask_is_kept_once(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    ann.save_version(image.id, make.annotation(), Action.CORRECT, parent=1)
    assert len(list((ann.folder / "files").rglob("*.png"))) == 1


@pytest.mark.only_sqlite
@pytest.mark.parametrize("deed", ["UPDATE version SET comment = 'x'", "DELETE FROM version"])
def test_the_database_itself_refuses_to_change_a_version(ann, image, make, deed):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    connection = sqlite3.connect(ann.folder / "project.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute(deed)
    connection.close()


def test_a_version_says_how_it_came_about(ann, image, make):
    predicted = ann.add_prediction(image.id, make.prediction())
    drawn = ann.annotation(image.id, predicted.number).labels.copy()
    old = drawn[3:5, 7].copy()
    drawn[3:5, 7] = (old + 1) % 8
    version = ann.save_version(
        image.id,
        Annotation(drawn),
        Action.CORRECT,
        parent=predicted.number,
        seconds=12.5,
        comment="a fold",
    )
    assert (version.number, version.parent, version.kind) == (2, 1, VersionKind.HUMAN)
    assert (version.author, version.seconds, version.comment) == ("Ann", 12.5, "a fold")
    assert (version.model, version.weights_sha256) == ("oct-layers", "ab" * 32)
    assert version.scheme == "oct-layers"
    assert version.state is State.CORRECTED
    assert version.change.against == 1
    assert sum(version.change.pixels) == 4
    assert set(version.change.columns) == {0, 1}
    touched = {*old.tolist(), *((old + 1) % 8).tolist()}
    for value, dice in enumerate(version.change.dice):
        assert (dice < 1) == (value in touched)
    assert ann.history(image.id) == (predicted, version)


def test_changes_are_counted_against_the_prediction_through_all_drafts(ann, image, make):
    ann.add_prediction(image.id, make.prediction())
    labels = ann.annotation(image.id, 1).labels
    ann.save_version(image.id, make.annotation(), Action.DRAFT, parent=1)
    version = ann.save_version(image.id, Annotation(labels), Action.CORRECT, parent=2)
    assert version.change.against == 1
    assert not any(version.change.pixels)
    assert set(version.change.dice) == {1.0}


def test_a_prediction_is_no_ground_truth_until_it_is_accepted(ann, image, make):
    predicted = ann.add_prediction(image.id, make.prediction())
    assert ann.image(image.id).state is State.UNREVIEWED
    assert ann.truth(image.id) is None
    assert predicted.author is None
    accepted = ann.accept(image.id)
    assert (accepted.author, accepted.mask) == ("Ann", predicted.mask)
    assert ann.truth(image.id) == accepted
    ann.add_prediction(image.id, make.prediction(3))
    assert ann.truth(image.id) == accepted


def test_work_in_progress_is_no_truth(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    assert ann.truth(image.id) is None


def test_probabilities_and_uncertainty_of_a_prediction_are_kept(ann, image, make):
    segmentation = make.prediction(2)
    version = ann.add_prediction(image.id, segmentation)
    np.testing.assert_array_equal(ann.probabilities(image.id, 1), segmentation.probabilities)
    assert version.uncertainty == pytest.approx(segmentation.mean_uncertainty())
    assert ann.image(image.id).uncertainty == version.uncertainty


def test_a_prediction_of_other_classes_is_refused(ann, image, make):
    p = make.prediction()
    other = Segmentation(p.labels % 2, scheme=FUNDUS_VESSELS, provenance=p.provenance)
    with pytest.raises(ProjectError, match="draws 'fundus-vessels'"):
        ann.add_prediction(image.id, other)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (
            Annotation(np.zeros((15, 25), np.uint8)),
            "The mask is 25 × 15 px, the image 'scan' 24 × 16 px: draw it on this image.",
        ),
        (Annotation(np.full((16, 24), 8, np.uint8)), "value 8"),
        (Annotation(np.zeros((16, 24), np.uint8), np.zeros((7, 24), np.float32)), "8 boundaries"),
    ],
)
def test_a_drawing_that_does_not_fit_is_refused(ann, image, drawn, said):
    with pytest.raises(ProjectError, match=said):
        ann.save_version(image.id, drawn, Action.CORRECT)
    with pytest.raises(ProjectError, match=said):
        ann.autosave(image.id, drawn)
    assert ann.history(image.id) == ()


def test_nothing_is_written_for_a_save_that_is_refused(ann, image, make):
    ann.save_version(image.id, make.annotation(), Action.CORRECT)
    with pytest.raises(ProjectError, match="is corrected already: reopen it"):
        ann.save_version(image.id, make.annotation(1), Action.CORRECT, parent=1)
    assert ann.check() == ()


def test_two_programs_on_one_image_make_two_versions_of_one_parent(ann, bob, image, make):
    ann.add_prediction(image.id, make.prediction())
    first = ann.save_version(image.id, make.annotation(1), Action.CORRECT, parent=1)
    second = bob.save_version(image.id, make.annotation(2), Action.CORRECT, parent=1)
    third = bob.save_version(image.id, make.annotation(3), Action.DRAFT, parent=1)
    assert [first.conflict, second.conflict, third.conflict] == [False, True, True]
    assert [version.parent for version in (first, second, third)] == [1, 1, 1]
    for number, seed in ((2, 1), (3, 2), (4, 3)):
        assert same(ann.annotation(image.id, number), make.annotation(seed))
    known = ann.image(image.id)
    assert known.conflict
    assert known.state is State.CORRECTED
    assert ann.truth(image.id) == first
    assert ann.status().conflicts == 1


def test_reopening_one_version_settles_a_conflict(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(1), Action.CORRECT)
    bob.save_version(image.id, make.annotation(2), Action.CORRECT)
    reopened = ann.reopen(image.id, 2, comment="Bob saw the membrane")
    assert (reopened.parent, reopened.state) == (2, State.IN_PROGRESS)
    assert not ann.image(image.id).conflict
    assert same(ann.annotation(image.id, reopened.number), make.annotation(2))
    done = ann.save_version(image.id, make.annotation(4), Action.CORRECT, parent=reopened.number)
    assert not done.conflict
    assert ann.truth(image.id) == done


def test_a_window_that_slept_through_a_reopening_loses_nothing(ann, bob, image, make):
    ann.save_version(image.id, make.annotation(1), Action.DRAFT)
    bob.reopen(image.id)
    late = ann.save_version(image.id, make.annotation(2), Action.CORRECT, parent=1)
    assert late.conflict
    assert same(ann.annotation(image.id, late.number), make.annotation(2))


def test_an_older_version_can_be_restored(ann, image, make):
    ann.save_version(image.id, make.annotation(1), Action.DRAFT)
    ann.save_version(image.id, make.annotation(2), Action.CORRECT, parent=1)
    restored = ann.reopen(image.id, 1)
    assert same(ann.annotation(image.id, restored.number), make.annotation(1))


def test_ungradable_needs_a_reason_and_has_no_mask(ann, image):
    with pytest.raises(ProjectError, match="Give a reason"):
        ann.mark_ungradable(image.id, "  ")
    version = ann.mark_ungradable(image.id, "cataract")
    assert version.reason == "cataract"
    assert ann.truth(image.id) is None
    with pytest.raises(ProjectError, match="has no mask: it is ungradable"):
        ann.annotation(image.id, version.number)
    assert ann.reopen(image.id).mask is None


def test_a_mask_made_elsewhere_is_its_author_s(ann, bob, image, make):
    ann.add_prediction(image.id, make.prediction())
    version = bob.attach(image.id, make.annotation(), author="Eve", comment="by hand")
    assert (version.author, version.parent, version.state) == ("Eve", None, State.CORRECTED)
    with pytest.raises(ProjectError, match="is corrected already: reopen it"):
        bob.attach(image.id, make.annotation(1), author="Eve")


def test_accepting_needs_a_prediction(ann, image, make):
    with pytest.raises(ProjectError, match="run a model"):
        ann.accept(image.id)
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    with pytest.raises(ProjectError, match="no prediction with the number 1"):
        ann.accept(image.id, 1)


def test_a_version_that_is_not_there(ann, image):
    with pytest.raises(ProjectError, match="no version 7"):
        ann.annotation(image.id, 7)
    with pytest.raises(ProjectError, match="no image 9"):
        ann.history(9)


def test_a_lost_prediction_does_not_keep_today_s_work_from_being_saved(ann, image, make):
    predicted = ann.add_prediction(image.id, make.prediction())
    (ann.folder / "files" / predicted.mask[:2] / f"{predicted.mask}.png").unlink()
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT, parent=1)
    assert version.change is None
    assert same(ann.annotation(image.id, version.number), make.annotation())


def test_a_picture_of_a_mask_in_the_files_is_the_mask(ann, image, make):
    version = ann.save_version(image.id, make.annotation(), Action.CORRECT)
    path = ann.folder / "files" / version.mask[:2] / f"{version.mask}.png"
    assert cv2.imread(str(path)).shape == (16, 24, 3)


def test_actions_and_gradings_may_be_words(ann, image, make):
    ann.save_version(image.id, make.annotation(), "correct")
    assert ann.image(image.id).state is State.CORRECTED
    with pytest.raises(ProjectError, match="There is no action 'corrected'"):
        ann.save_version(image.id, make.annotation(), "corrected")
    with pytest.raises(ProjectError, match="call the method for that instead"):
        ann.save_version(image.id, make.annotation(), "accept")
    with pytest.raises(ProjectError, match="There is no grading 'third'"):
        ann.attach(image.id, make.annotation(), author="Bob", grading="third")
