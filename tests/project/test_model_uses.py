"""Which models a project used, who chose them, and the way back."""

import sqlite3

import pytest

from napari_retina_seg.project.model_uses import UsedModel, _use_value
from napari_retina_seg.project.tables import ModelUseRow
from napari_retina_seg.types.errors import ProjectError

pytestmark = pytest.mark.both_databases

FIRST, SECOND, THIRD = (
    UsedModel(name, "", digit * 64) for name, digit in zip("abc", "123", strict=True)
)


def test_who_took_which_model_into_use_and_why_is_recorded(ann, bob):
    assert ann.model_uses() == ()
    ann.use_model(SECOND, FIRST, "better by 0.02")
    bob.use_model(THIRD, SECOND, "better by 0.01")
    first, second = ann.model_uses()
    assert (first.model, first.instead_of, first.chosen_by) == (SECOND, FIRST, "Ann")
    assert (second.model, second.chosen_by, second.reason) == (THIRD, "Bob", "better by 0.01")
    assert first.chosen_at < second.chosen_at
    assert ann.check() == ()


def test_the_model_before_is_one_step_away(ann):
    ann.use_model(SECOND, FIRST, "better")
    assert ann.roll_back_model().model == FIRST
    assert ann.model_uses()[-1].reason == "Back from b."
    assert ann.roll_back_model().model == SECOND
    assert len(ann.model_uses()) == 3


def test_without_a_promoted_model_there_is_no_way_back(ann):
    with pytest.raises(ProjectError, match="none to go back to"):
        ann.roll_back_model()


def test_a_proof_against_another_model_than_the_one_in_use_does_not_count(ann, bob):
    bob.use_model(SECOND, FIRST, "better")
    with pytest.raises(ProjectError, match="'b' was taken into use by Bob meanwhile"):
        ann.use_model(THIRD, FIRST, "better")
    assert len(ann.model_uses()) == 1


@pytest.mark.parametrize("record", [{"name": "a"}, {}, [], "a", None, {"name": 1, "folder": ""}])
def test_a_record_of_another_form_is_reported(record):
    row = ModelUseRow(name="b", folder="", weights_sha256="", instead_of=record)
    with pytest.raises(ProjectError, match="damaged"):
        _use_value(row)


@pytest.mark.only_sqlite
def test_a_changed_record_of_the_model_in_use_is_found(ann):
    ann.use_model(SECOND, FIRST, "better")
    with sqlite3.connect(ann.folder / "project.sqlite") as raw:
        raw.execute("UPDATE model_use SET weights_sha256 = ?", ("f" * 64,))
    with pytest.raises(ProjectError, match="damaged"):
        ann.model_uses()
