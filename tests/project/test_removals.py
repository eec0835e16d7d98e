"""Images that are removed from a project, and restored; modality; many second graders at once."""

from collections import Counter

import pytest

from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.image import Modality

pytestmark = pytest.mark.both_databases


@pytest.fixture
def three(ann, write_scan):
    """Return three images; Ann has accepted the prediction of the first."""
    return ann.add_images([write_scan(f"scan{n}.png", n) for n in range(3)]).images


def test_a_removed_image_is_in_no_list_and_comes_back_as_it_was(ann, three, make):
    first = three[0]
    ann.add_prediction(first.id, make.prediction())
    ann.accept(first.id)
    assert ann.remove_images([first.id, first.id], reason=" twice ") == (first.id,)
    assert ann.remove_images([first.id]) == ()
    assert [image.id for image in ann.images()] == [three[1].id, three[2].id]
    status = ann.status()
    assert (status.images, status.removed, status.states[State.ACCEPTED]) == (2, 1, 0)
    (removed,) = ann.images(Filters(removed=True))
    assert (removed.removal.removed_by, removed.removal.reason) == ("Ann", "twice")
    assert ann.image(first.id).removal == removed.removal
    assert len(ann.history(first.id)) == 2  # kept
    assert ann.restore_images([first.id, three[1].id]) == (first.id,)
    assert ann.image(first.id).state is State.ACCEPTED
    assert ann.truth(first.id).author == "Ann"
    assert len(ann.images()) == 3
    (removal,) = ann.removals(first.id)
    assert (removal.restored_by, removal.reason) == ("Ann", "twice")


def test_no_work_is_begun_on_a_removed_image(ann, bob, three, make):
    image = three[0].id
    ann.add_prediction(image, make.prediction())
    bob.remove_images([image])
    for change in (
        lambda: ann.accept(image),
        lambda: ann.save_version(image, make.annotation(), Action.DRAFT),
        lambda: ann.attach(image, make.annotation(), author="Carl"),
        lambda: ann.mark_ungradable(image, "blurred"),
        lambda: ann.add_prediction(image, make.prediction(1)),
        lambda: ann.assign_second_grader(image, "Carl"),
        lambda: ann.reopen(image),
    ):
        with pytest.raises(ProjectError, match=r"was removed .* by Bob .* restore it first"):
            change()
    assert len(ann.history(image)) == 1


def test_adding_the_file_again_says_that_it_was_removed(ann, three, write_scan):
    ann.remove_images([three[0].id])
    ((_, known),) = ann.add_images([write_scan("scan0.png", 0)]).duplicates
    assert known.removal is not None


def test_a_removed_image_is_neither_compared_nor_left_to_grade(ann, bob, three, make):
    for image in three[:2]:
        ann.save_version(image.id, make.annotation(), Action.CORRECT)
        ann.assign_second_grader(image.id, "Bob")
    bob.save_version(three[0].id, make.annotation(1), Action.SECOND_GRADE)
    assert ann.second_gradings_left() == 1
    ann.remove_images([three[1].id])
    assert ann.second_gradings_left() == 0
    assert len(bob.double_gradings()) == 1
    ann.remove_images([three[0].id])
    assert not bob.double_gradings()


@pytest.mark.only_sqlite
def test_an_earlier_project_can_remove_images_too(ann, three, folder):
    writer = ann._store.database
    with writer.writing() as session:
        for later in ("removal", "model_use", "review_figures", "member"):
            session.connection().exec_driver_sql(f"DROP TABLE {later}")
        for index in ("image_gain_first", "image_state_gain_first"):
            session.connection().exec_driver_sql(f"DROP INDEX {index}")
        for column in ("gain", "reason"):
            session.connection().exec_driver_sql(f"ALTER TABLE image DROP COLUMN {column}")
        session.connection().exec_driver_sql("ALTER TABLE autosave DROP COLUMN comment")
        session.connection().exec_driver_sql("ALTER TABLE second_reader DROP COLUMN compared_at")
        session.connection().exec_driver_sql("ALTER TABLE project DROP COLUMN files")
        session.connection().exec_driver_sql("UPDATE schema_version SET version = 4")
    with Project(folder, author="Ann") as again:
        again.remove_images([three[0].id])
        assert len(again.images()) == 2


def test_the_modality_can_be_corrected(ann, three):
    ann.set_modality([three[0].id], Modality.FUNDUS)
    assert ann.image(three[0].id).modality is Modality.FUNDUS
    assert ann.read_image(three[0].id).modality is Modality.FUNDUS
    assert ann.image(three[1].id).modality is not Modality.FUNDUS


def test_second_gradings_are_dealt_evenly_and_to_no_first_grader(ann, bob, three, make):
    bob.save_version(three[0].id, make.annotation(), Action.CORRECT)
    ids = [image.id for image in three]
    dealt = ann.assign_second_graders(ids, ["Bob", "Carl", "bob"])
    assert dict(dealt.assigned)[three[0].id] == "Carl"
    assert Counter(grader for _, grader in dealt.assigned) in (
        Counter(Bob=2, Carl=1),
        Counter(Bob=1, Carl=2),
    )
    assert not dealt.problems
    again = ann.assign_second_graders(ids, ["Dora"])
    assert not again.assigned
    assert "has a second grader already: Carl" in again.problems[0]
    assert ann.people() == ("Ann", "Bob", "Carl")


def test_an_image_that_none_of_them_can_grade_is_named(ann, three, make):
    ann.save_version(three[0].id, make.annotation(), Action.CORRECT)
    dealt = ann.assign_second_graders([three[0].id, three[1].id], ["Ann"])
    assert dealt.assigned == ((three[1].id, "Ann"),)
    assert "Ann is the first grader of 'scan0'" in dealt.problems[0]
    with pytest.raises(ProjectError, match="at least one"):
        ann.assign_second_graders([three[0].id], [])


def test_a_comment_is_autosaved(ann, three, make):
    ann.autosave(three[0].id, make.annotation(), comment="a shadow")
    assert ann.recoverable()[0].comment == "a shadow"
