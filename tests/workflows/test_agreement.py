"""The readings of two people, found and compared."""

from dataclasses import replace

import numpy as np
import pytest

from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.reports.agreement import caution
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish
from napari_retina_seg.workflows.agreement import adopt, iter_agreement, rename_images
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.exporting import iter_export

SHAPE = (96, 128)


def read(project, image, seed, action, parent=None, **more):
    phantom = phantom_bscan(seed, *SHAPE)
    annotation = Annotation(phantom.labels, phantom.heights, **more)
    return project.save_version(image.id, annotation, action, parent=parent)


@pytest.fixture
def images(ann, tmp_path):
    """Add four B-scans, whose files tell no pixel size."""
    for seed in range(4):
        np.save(tmp_path / f"scan{seed}.npy", phantom_bscan(seed, *SHAPE).image.pixels)
    paths = sorted(tmp_path.glob("*.npy"))
    return ann.add_images(paths, patient_of=lambda name: name[-1]).images


@pytest.fixture
def double_gradings(ann, bob, images):
    """Have two images read by both, alike and not alike, and two called ungradable by one."""
    for seed, image in enumerate(images[:3]):
        read(ann, image, seed, Action.CORRECT)
    ann.mark_ungradable(images[3].id, "dark")
    for image in images:
        ann.assign_second_grader(image.id, "Bob")
    read(bob, images[0], 0, Action.SECOND_GRADE)
    read(bob, images[1], 7, Action.SECOND_GRADE)
    bob.mark_ungradable(images[2].id, "blurred")
    read(bob, images[3], 3, Action.SECOND_GRADE)
    return images


def test_both_gradings_are_compared_worst_first(ann, double_gradings):
    found = finish(iter_agreement(ann))
    assert [one.image.name for one in found.images] == ["scan1", "scan0"]
    worst = found.images[0]
    assert (worst.image.first, worst.image.second, worst.image.group) == ("Ann", "Bob", "1")
    assert worst.dice < 0.9 < found.images[1].dice == 1
    assert found.means[Key("kappa")].images == 2
    assert (found.unit, found.boundaries_um) == ("px", ())
    counts = found.gradability
    assert (counts.both, counts.only_first, counts.only_second, counts.neither) == (2, 1, 1, 0)


def test_a_report_calls_images_and_patients_as_exports_do(ann, double_gradings):
    found = finish(iter_agreement(ann))
    ann.confirm_names([found.images[1].image.number])
    hidden = rename_images(found, ann, Identities.HIDE)
    assert [one.image.name for one in hidden.images][1] == "scan0"
    worst = hidden.images[0].image
    assert (len(worst.name), len(worst.group)) == (17, 17)
    assert worst.number == found.images[0].image.number
    assert rename_images(found, ann, Identities.KEEP).images[0].image == found.images[0].image
    assert hidden.images[0].scores == found.images[0].scores


def test_a_second_grader_who_has_not_finished_can_t_ask(ann, bob, open_as, images):
    for seed, image in enumerate(images[:2]):
        read(ann, image, seed, Action.CORRECT)
        ann.assign_second_grader(image.id, "BOB")
    read(bob, images[0], 5, Action.SECOND_GRADE)
    with pytest.raises(
        ProjectError, match=r"Bob has 1 image left to grade as the second grader \('scan1"
    ):
        finish(iter_agreement(bob))
    for other in (ann, open_as("Carl")):
        assert len(finish(iter_agreement(other)).images) == 1
    read(bob, images[1], 6, Action.SECOND_GRADE)
    assert len(finish(iter_agreement(bob)).images) == 2


def test_what_was_adjudicated_stays_compared_as_it_was_read(ann, bob, open_as, double_gradings):
    before = finish(iter_agreement(ann)).images[0].dice
    read(open_as("Carl"), double_gradings[1], 1, Action.ADJUDICATE)
    assert finish(iter_agreement(ann)).images[0].dice == before
    ann.reopen(double_gradings[1].id)
    assert finish(iter_agreement(ann)).images[0].dice == before


def test_of_a_later_round_the_later_gradings_count(ann, bob, double_gradings):
    image = double_gradings[1]
    reopened = ann.reopen(image.id)
    read(ann, image, 4, Action.CORRECT, reopened.number)
    read(bob, image, 4, Action.SECOND_GRADE)
    assert all(one.dice == 1 for one in finish(iter_agreement(ann)).images)


def test_a_draft_is_no_grading(ann, bob, images):
    read(ann, images[0], 0, Action.CORRECT)
    bob.save_version(images[0].id, Annotation(phantom_bscan(1, *SHAPE).labels), Action.SECOND_DRAFT)
    with pytest.raises(ProjectError, match="has been graded twice yet: assign a second grader"):
        finish(iter_agreement(ann))


def test_questionable_regions_are_left_out_of_one_kappa(ann, bob, images):
    read(ann, images[0], 0, Action.CORRECT)
    read(bob, images[0], 9, Action.SECOND_GRADE, ignore=np.ones(SHAPE, bool))
    means = finish(iter_agreement(ann)).means
    assert Key("kappa") in means
    assert Key("kappa_sure") not in means


def test_adjudication_ends_the_own_draft_and_no_other_one(ann, open_as, double_gradings):
    image = double_gradings[1]
    (pair,) = [each for each in ann.double_gradings() if each.image.id == image.id]
    carl, dora = open_as("Carl"), open_as("Dora")
    draft = read(carl, image, 5, Action.ADJUDICATION_DRAFT, 1)
    with pytest.raises(
        ProjectError, match="Carl has begun to adjudicate 'scan1': let Carl finish it"
    ):
        adopt(dora, image.id, pair.second)
    assert len(dora.history(image.id)) == draft.number
    final = adopt(carl, image.id, pair.second, comment="the OPL is right")
    assert not final.conflict
    assert (final.parent, final.comment) == (draft.number, "the OPL is right")
    assert carl.image(image.id).state is State.ADJUDICATED
    np.testing.assert_array_equal(
        carl.annotation(image.id, final.number).labels, phantom_bscan(7, *SHAPE).labels
    )


def test_a_comment_is_kept_with_a_refusal_that_is_taken(ann, bob, double_gradings):
    image, pairs = double_gradings[2], {pair.image.id: pair for pair in ann.double_gradings()}
    with pytest.raises(ProjectError, match="Bob is the second grader of 'scan2'"):
        adopt(bob, image.id, pairs[image.id].second)
    final = adopt(ann, image.id, pairs[image.id].second, comment="so it is")
    assert (final.reason, final.comment) == ("blurred", "so it is")


def test_asking_can_be_cancelled(ann, double_gradings):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        finish(iter_agreement(ann, token=token))


def test_a_damaged_reading_is_a_sentence(ann, double_gradings):
    for path in (ann.folder / "files").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-1])
    with ProjectView(ann.folder, author="Dora") as dora, pytest.raises(ProjectError, match="cut"):
        finish(iter_agreement(dora))


def test_an_export_names_images_without_a_final_decision(ann, double_gradings, tmp_path):
    done = finish(iter_export(ann, tmp_path / "out", Format.PNG))
    assert done.undecided == ("scan0", "scan1", "scan2")
    assert any("Graded twice without a final decision" in one for one in done.warnings)


def predict(ann, make, image, seed):
    phantom = phantom_bscan(seed, *SHAPE)
    prediction = replace(
        make.prediction(shape=SHAPE), labels=phantom.labels, boundaries=phantom.heights
    )
    return ann.add_prediction(image.id, prediction)


@pytest.fixture
def predicted(ann, bob, images, make):
    """Predict three images; Bob grades all of them second."""
    for seed, image in enumerate(images[:3]):
        predict(ann, make, image, seed)
        ann.assign_second_grader(image.id, "Bob")
    return images[:3]


def test_two_accepted_predictions_are_no_agreement_of_the_graders(ann, bob, predicted):
    for seed, image in enumerate(predicted):
        ann.accept(image.id)
        read(bob, image, seed, Action.SECOND_GRADE, 1)
    found = finish(iter_agreement(ann))
    assert found.means[Key("kappa")].value == 1
    assert (found.proposals.unchanged, found.proposals.changed) == (3, (0, 0))
    assert found.proposals.means == {}
    assert found.proposals.dice[0].value == found.proposals.kappa[1].value == 1
    assert caution(found).startswith("Both gradings are the model's proposal: 0 of 3 were changed")


def test_changed_images_are_scored_apart_and_each_grader_against_the_model(ann, bob, predicted):
    first, second, third = predicted
    ann.accept(first.id)
    read(bob, first, 0, Action.SECOND_GRADE, 1)
    ann.accept(second.id)
    read(bob, second, 8, Action.SECOND_GRADE, 1)
    draft = read(ann, third, 9, Action.DRAFT, 1)  # through a draft, it began with the same mask
    read(ann, third, 9, Action.CORRECT, draft.number)
    read(bob, third, 9, Action.SECOND_GRADE)  # drawn from nothing
    found = finish(iter_agreement(ann)).proposals
    assert (found.images, found.unchanged) == (3, 1)
    assert (found.started, found.changed) == ((3, 2), (1, 1))
    assert found.means[Key("dice")].images == 2
    assert found.dice[0].images == 3
    assert found.dice[1].value < 1


def test_a_boundary_moved_within_its_pixels_is_a_change(ann, bob, predicted):
    image = predicted[0]
    phantom = phantom_bscan(0, *SHAPE)
    moved = Annotation(phantom.labels, phantom.heights + np.float32(0.01))
    ann.save_version(image.id, moved, Action.CORRECT, parent=1)
    read(bob, image, 0, Action.SECOND_GRADE, 1)
    found = finish(iter_agreement(ann))
    assert (found.proposals.changed, caution(found)) == ((1, 0), "")


def test_gradings_with_open_places_are_named_in_export_and_agreement(ann, bob, images, tmp_path):
    read(ann, images[0], 0, Action.CORRECT)
    ann.assign_second_grader(images[0].id, "Bob")
    phantom = phantom_bscan(0, *SHAPE)
    labels = phantom.labels.copy()
    labels[:, 40:50] = 0
    lost = Annotation(labels, phantom.heights)
    bob.save_version(images[0].id, lost, Action.SECOND_GRADE, parent=None)
    found = finish(iter_agreement(ann))
    assert found.open_gradings == 1
    assert "In 1 of 2 gradings layers are missing" in caution(found)
    ann.save_version(images[1].id, lost, Action.CORRECT, parent=None)
    done = finish(iter_export(ann, tmp_path / "out", Format.PNG))
    assert done.open_places == ("scan1",)
    assert done.is_doubtful
    assert "in 'scan1': open them in Review and press Show next place." in done.warnings[-1]


def test_a_slice_whose_layers_were_erased_is_open_in_export_and_agreement(ann, bob, tmp_path):
    phantom = phantom_volume(0, 3, *SHAPE)
    np.save(tmp_path / "volume.npy", phantom.image.pixels)
    (volume,) = ann.add_images([tmp_path / "volume.npy"]).images
    drawn = Annotation(phantom.labels)
    erased = Annotation(np.array(phantom.labels))
    erased.labels[1] = 0
    ann.assign_second_grader(volume.id, "Bob")
    first = ann.save_version(volume.id, drawn, Action.DRAFT, parent=None)
    ann.save_version(volume.id, erased, Action.CORRECT, parent=first.number)
    bob.save_version(volume.id, drawn, Action.SECOND_GRADE, parent=None)
    assert finish(iter_agreement(ann)).open_gradings == 1
    done = finish(iter_export(ann, tmp_path / "out", Format.NIFTI))
    assert done.open_places == ("volume",)
