"""Leases and unsaved work."""

from datetime import UTC, datetime, timedelta

import pytest

from napari_retina_seg.project.states import Action
from napari_retina_seg.types.errors import ProjectError

pytestmark = pytest.mark.both_databases


def test_a_lease_keeps_others_off_until_it_is_given_back(ann, bob, image):
    lease = ann.check_out(image.id)
    assert lease.holder == "Ann"
    assert lease.expires > datetime.now(UTC) + timedelta(minutes=5)
    with pytest.raises(ProjectError, match="worked on by Ann, until"):
        bob.check_out(image.id)
    bob.check_in(image.id)  # which is not his to give back
    assert ann.status().leases == (lease,)
    ann.check_in(image.id)
    assert bob.check_out(image.id).holder == "Bob"


def test_the_same_person_in_another_window_is_kept_off_too(ann, open_as, image):
    ann.check_out(image.id)
    with pytest.raises(ProjectError, match="you, in another window"):
        open_as("ann").check_out(image.id)


def test_a_lease_is_renewed_by_its_holder_and_expires(ann, bob, image):
    ann.check_out(image.id)
    ann.check_out(image.id, timedelta(0))
    assert ann.status().leases == ()
    assert bob.check_out(image.id).holder == "Bob"


def test_no_lease_is_needed_to_save_what_was_painted(ann, bob, image, make):
    ann.check_out(image.id)
    assert bob.save_version(image.id, make.annotation(), Action.DRAFT).number == 1


def test_unsaved_work_is_offered_to_its_author_at_the_next_start(ann, open_as, image, make):
    for seed in range(3):
        ann.autosave(image.id, make.annotation(seed), parent=None, seconds=60 * seed)
    ann.close()
    later = open_as("Ann")
    (slot,) = later.recoverable(image.id)
    assert (slot.image_id, slot.seconds) == (image.id, 120)
    assert (later.recover(slot).labels == make.annotation(2).labels).all()
    assert open_as("Bob").recoverable() == ()
    assert len(list((later.folder / "autosave").iterdir())) == 1


def test_saving_what_was_recovered_clears_it(ann, open_as, image, make):
    ann.autosave(image.id, make.annotation())
    later = open_as("Ann")
    drawn = later.recover(later.recoverable()[0])
    later.save_version(image.id, drawn, Action.CORRECT)
    assert later.recoverable() == ()
    assert list((later.folder / "autosave").iterdir()) == []


def test_saving_clears_no_other_unsaved_edit(ann, bob, open_as, image, make):
    other_window = open_as("Ann")
    for program in (ann, bob, other_window):
        program.autosave(image.id, make.annotation())
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    assert [slot.author for slot in ann.status().autosaves] == ["Ann", "Bob"]
    assert ann.check() == ()


def test_the_newest_of_several_windows_is_offered_first(ann, open_as, image, make):
    ann.autosave(image.id, make.annotation(0))
    open_as("Ann").autosave(image.id, make.annotation(1))
    newest = ann.recoverable()[0]
    assert (ann.recover(newest).labels == make.annotation(1).labels).all()
    assert len(ann.recoverable()) == 2


def test_unsaved_work_is_thrown_away_only_when_asked_to(ann, image, make):
    slot = ann.autosave(image.id, make.annotation())
    ann.discard(slot)
    assert ann.recoverable() == ()
    assert list((ann.folder / "autosave").iterdir()) == []
    with pytest.raises(ProjectError, match="no longer exists"):
        ann.recover(slot)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "cut short or altered"),
        (lambda path: path.unlink(), "can't be read"),
    ],
)
def test_damaged_work_is_not_taken_for_whole(ann, image, make, damage, said):
    slot = ann.autosave(image.id, make.annotation())
    (path,) = (ann.folder / "autosave").iterdir()
    damage(path)
    with pytest.raises(ProjectError, match=said):
        ann.recover(slot)
