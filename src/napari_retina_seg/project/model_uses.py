"""Which models a project used, one after the other; nothing of it is ever changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.project.store import Store, now
from napari_retina_seg.project.tables import ModelUseRow
from napari_retina_seg.types.errors import ProjectError


@dataclass(frozen=True)
class UsedModel:
    """A model by which a project knows it.

    Attributes
    ----------
    name : str
        Its name.
    folder : str
        Its folder in the project, with forward slashes; empty for a model known by its name.
    weights_sha256 : str
        Hash of its weights.
    """

    name: str
    folder: str
    weights_sha256: str


@dataclass(frozen=True)
class ModelUse:
    """That a model was taken into use.

    Attributes
    ----------
    model : UsedModel
        Which.
    instead_of : UsedModel
        The one that was in use before.
    chosen_by : str
        Who took it into use.
    chosen_at : datetime
        When (UTC).
    reason : str
        What spoke for it.
    """

    model: UsedModel
    instead_of: UsedModel
    chosen_by: str
    chosen_at: datetime
    reason: str


_USED = TypeAdapter(UsedModel)


def list_uses(store: Store) -> tuple[ModelUse, ...]:
    """Return the models that were taken into use, oldest first."""
    with store.database.reading() as session:
        rows = session.scalars(select(ModelUseRow).order_by(ModelUseRow.id))
        return tuple(map(_use_value, rows))


def use_model(store: Store, model: UsedModel, instead_of: UsedModel, reason: str) -> None:
    """Take a model into use; see `Project.use_model`.

    Raises
    ------
    ProjectError
        If another model than `instead_of` is in use by now.
    """
    with store.database.writing() as session:
        newest = _newest(session)
        if newest is not None and newest.model != instead_of:
            raise ProjectError(
                f"'{newest.model.name}' was taken into use by {newest.chosen_by} meanwhile, and not"
                f" '{instead_of.name}': compare with that one."
            )
        session.add(_row(store, model, instead_of, reason))


def roll_back(store: Store) -> ModelUse:
    """Take the model into use that was in use before; see `Project.roll_back_model`.

    Raises
    ------
    ProjectError
        If no model was taken into use yet.
    """
    with store.database.writing() as session:
        newest = _newest(session)
        if newest is None:
            raise ProjectError(
                "No model was promoted in this project: there is none to go back to."
            )
        reason = f"Back from {newest.model.name}."
        row = _row(store, newest.instead_of, newest.model, reason)
        session.add(row)
        return _use_value(row)


def _newest(session: Session) -> ModelUse | None:
    row = session.scalars(select(ModelUseRow).order_by(ModelUseRow.id.desc()).limit(1)).first()
    return None if row is None else _use_value(row)


def _row(store: Store, model: UsedModel, instead_of: UsedModel, reason: str) -> ModelUseRow:
    return ModelUseRow(
        **asdict(model),
        instead_of=asdict(instead_of),
        chosen_by=store.author,
        chosen_at=now(),
        reason=reason,
    )


def _use_value(row: ModelUseRow) -> ModelUse:
    model = UsedModel(row.name, row.folder, row.weights_sha256)
    try:
        before = _USED.validate_python(row.instead_of)
    except ValidationError as error:
        raise ProjectError(
            "The record of the models that were used in this project is damaged:"
            " 'project check --repair' restores it if it can."
        ) from error
    return ModelUse(model, before, row.chosen_by, row.chosen_at, row.reason)
