"""The order by expected gain: figures of predictions, and the places that follow from them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from napari_retina_seg.metrics.expected_gain import (
    LEAST_LEARNT,
    Candidate,
    Corrected,
    ReviewFigures,
    Suggestion,
    suggest,
)
from napari_retina_seg.project.contents import decode_mask
from napari_retina_seg.project.removals import is_removed
from napari_retina_seg.project.results import Ranked
from napari_retina_seg.project.states import MASK_COUNTS, UNFINISHED, State
from napari_retina_seg.project.store import Store, clean_name, image_row, version_row
from napari_retina_seg.project.tables import ImageRow, ReviewFiguresRow, VersionRow
from napari_retina_seg.project.values import VersionKind
from napari_retina_seg.types.errors import ProjectError, RetinaSegError

Labels = npt.NDArray[np.uint8]

_FIGURES = TypeAdapter(ReviewFigures)
_BATCH = 1000  # images whose places are written at once: others save in between
_NUMBER = re.compile(r"[\W_]*\d+$")


def rank_images(store: Store) -> Ranked:
    """Work out the order by expected gain; see `Project.rank_images`."""
    store.database.check_writable()
    with store.database.reading() as session:
        figures = session.scalars(select(ReviewFiguresRow)).all()
        rows = session.execute(_facts()).all()
    known = _read(figures)
    candidates = [
        Candidate(
            row.id,
            _group(row.patient, row.name),
            row.uncertainty if row.uncertainty >= 0 else None,
            known.get(row.id),
            warned=bool(row.warning),
        )
        for row in rows
        if State(row.state) in UNFINISHED
    ]
    corrected = [
        Corrected(_group(row.patient, row.name), known[row.id].features if row.id in known else ())
        for row in rows
        if State(row.state) in MASK_COUNTS
    ]
    found = suggest(candidates, corrected, layered=bool(store.scheme.surfaces))
    before = {row.id: (row.gain, row.reason) for row in rows}
    _write(store, found, before)
    predicted = [one for one in candidates if one.uncertainty is not None]
    return Ranked(
        images=len(predicted),
        without_figures=sum(one.figures is None for one in predicted),
        compares=sum(bool(one.features) for one in corrected) >= LEAST_LEARNT,
    )


def _read(rows: Iterable[ReviewFiguresRow]) -> dict[int, ReviewFigures]:
    """Return the figures of images; those of another form are like none."""
    found = {}
    for row in rows:
        with contextlib.suppress(ValidationError):
            found[row.image_id] = _FIGURES.validate_python(row.figures)
    return found


def _facts() -> Any:
    columns = (
        *(ImageRow.id, ImageRow.name, ImageRow.patient, ImageRow.state),
        *(ImageRow.uncertainty, ImageRow.warning, ImageRow.gain, ImageRow.reason),
    )
    return select(*columns).where(~is_removed()).order_by(ImageRow.id)


def _group(patient: str | None, name: str) -> str:
    """Return what images are alike in: the patient, or else the name but for its last number."""
    person = clean_name(patient or "")
    return f"patient {person}" if person else f"name {_NUMBER.sub('', clean_name(name))}"


def _write(
    store: Store, found: tuple[Suggestion, ...], before: dict[int, tuple[float, str]]
) -> None:
    wanted = dict.fromkeys(before, (-1.0, ""))
    wanted |= {one.id: (one.gain, one.reason) for one in found}
    changed = [image_id for image_id, place in wanted.items() if before[image_id] != place]
    for start in range(0, len(changed), _BATCH):
        some = changed[start : start + _BATCH]
        with store.database.writing() as session:
            for row in session.scalars(select(ImageRow).where(ImageRow.id.in_(some))):
                row.gain, row.reason = wanted[row.id]


def add_figures(store: Store, image_id: int, number: int, figures: ReviewFigures) -> None:
    """Save the figures of a prediction; see `Project.add_review_figures`."""
    with store.database.writing() as session:
        image = image_row(session, image_id)
        if version_row(session, image, number).kind != VersionKind.PREDICTION:
            raise ProjectError(f"Version {number} of '{image.name}' is no prediction.")
        note_figures(session, image_id, number, figures)


def note_figures(
    session: Session, image_id: int, number: int, figures: ReviewFigures | None
) -> None:
    """Replace the figures of an image by those of its newest prediction."""
    row = session.get(ReviewFiguresRow, image_id)
    if figures is None:
        if row is not None:
            session.delete(row)
        return
    content = asdict(figures) | {"features": list(figures.features)}
    if row is None:
        session.add(ReviewFiguresRow(image_id=image_id, version=number, figures=content))
    else:
        row.version, row.figures = number, content


def find_earlier_mask(
    store: Store, session: Session, versions: list[VersionRow], weights: str
) -> tuple[str, Labels] | None:
    """Return the model and the mask of the newest prediction by other weights."""
    for row in reversed(versions):
        if row.kind != VersionKind.PREDICTION or row.weights_sha256 == weights or not row.mask:
            continue
        try:
            return row.model or "", decode_mask(*store.read_file(session, row.mask))
        except RetinaSegError:  # `check` reports a lost prediction
            return None
    return None


def list_without_figures(store: Store) -> dict[int, int]:
    """Return the newest predictions without figures; see `ProjectView`."""
    newest = (
        select(VersionRow.image_id, func.max(VersionRow.number).label("number"))
        .where(VersionRow.kind == VersionKind.PREDICTION)
        .group_by(VersionRow.image_id)
        .subquery()
    )
    query = (
        select(VersionRow.image_id, VersionRow.number)
        .join(
            newest,
            (newest.c.image_id == VersionRow.image_id) & (newest.c.number == VersionRow.number),
        )
        .outerjoin(
            ReviewFiguresRow,
            (ReviewFiguresRow.image_id == VersionRow.image_id)
            & (ReviewFiguresRow.version == VersionRow.number),
        )
        .where(ReviewFiguresRow.image_id.is_(None), VersionRow.probabilities.is_not(None))
    )
    with store.database.reading() as session:
        return {row.image_id: row.number for row in session.execute(query)}
