"""Save versions: files first, then the row; concurrent edits are kept as conflicts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from napari_retina_seg import __version__
from napari_retina_seg.metrics.expected_gain import ReviewFigures, find_difference
from napari_retina_seg.project import autosaves, pending_autosaves
from napari_retina_seg.project.blinding import (
    SECOND_ACTIONS,
    assign_second_grader,
    check_permissions,
    check_visible,
    keep_second_grader,
    listed,
    may_revise,
    newest_human,
    refusal_of,
)
from napari_retina_seg.project.changes import find_change
from napari_retina_seg.project.contents import (
    QUESTIONABLE,
    decode_mask,
    encode_arrays,
    encode_mask,
)
from napari_retina_seg.project.files import StoredFile
from napari_retina_seg.project.fitting import check_fits
from napari_retina_seg.project.ranking import find_earlier_mask, note_figures
from napari_retina_seg.project.removals import check_present
from napari_retina_seg.project.states import (
    GRADING_ROUNDS,
    Action,
    GradingRound,
    State,
    state_of_version,
)
from napari_retina_seg.project.store import (
    Store,
    image_row,
    image_value,
    keep_file,
    now,
    stored_file,
    version_row,
    version_value,
    versions_of,
)
from napari_retina_seg.project.tables import FileRow, ImageRow, VersionRow
from napari_retina_seg.project.transitions import EditRequest, resolve_transition
from napari_retina_seg.project.values import Change, Version, VersionKind
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, RetinaSegError
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Segmentation


@dataclass(frozen=True)
class _Files:
    """Files of a version, already written."""

    mask: StoredFile | None = None
    boundaries: StoredFile | None = None
    probabilities: StoredFile | None = None
    questionable: StoredFile | None = None


def save_annotation(
    store: Store, image_id: int, annotation: Annotation, request: EditRequest
) -> Version:
    """Save a mask as a new version; see `Project.save_version` and `Project.attach`."""
    store.database.check_writable()
    with store.database.reading() as session:
        image = image_row(session, image_id)
        check_fits(annotation, image_value(store, image, blinded=False), store.scheme)
        parent = _find_parent(session, image, request)
        resolve_transition(
            session, image, request, parent, store.author
        )  # before anything is written
        change = _compare(store, session, annotation, parent)
    files = _write_annotation(store, annotation)
    with store.database.writing() as session:
        image = image_row(session, image_id)
        parent = _find_parent(session, image, request)
        version = _add(store, session, image, request, parent, files, change)
        finished = autosaves.clear(store, session, image_id, request.author)
    autosaves.remove(store, finished)
    pending_autosaves.discard(store, image_id)
    return version


def accept(store: Store, image_id: int, request: EditRequest) -> Version:
    """Accept the parent of the request, or else the newest prediction; see `Project.accept`."""
    with store.database.writing() as session:
        image = image_row(session, image_id)
        check_present(session, image)
        prediction = _find_prediction(session, image, request.parent)
        row = version_row(session, image, prediction.number)
        labels = decode_mask(*store.read_file(session, row.mask or ""))
        change = find_change(labels, labels, len(store.scheme), row.number)
        files = replace(_files_of(session, row), probabilities=None)
        return _add(store, session, image, request, row, files, change)


def refuse(store: Store, image_id: int, request: EditRequest) -> Version:
    """Mark an image as ungradable; see `Project.mark_ungradable`."""
    if not request.reason.strip():
        raise ProjectError("Give a reason why the image is ungradable; it is saved with the image.")
    with store.database.writing() as session:
        image = image_row(session, image_id)
        request = replace(request, action=refusal_of(session, image, request.author))
        parent = newest_human(session, image, GRADING_ROUNDS[request.action])
        return _add(store, session, image, request, parent, _Files(), None)


def reopen(store: Store, image_id: int, request: EditRequest) -> Version:
    """Reopen an image in a new round; see `Project.reopen`."""
    with store.database.writing() as session:
        image = image_row(session, image_id)
        if request.parent is None:
            parent = _newest_of_round(session, image)
        else:
            parent = version_row(session, image, request.parent)
        if may_revise(session, image, request.author):
            request = replace(request, action=Action.SECOND_REOPEN)
            if request.parent is None:
                parent = newest_human(session, image, GradingRound.SECOND)
        else:
            check_permissions(session, image, request.action, request.author)
        files = _Files()
        if parent is not None:
            check_visible(session, image, parent, request.author)
            if not listed(session, image, request.author)(parent):
                raise ProjectError(
                    f"Version {parent.number} of '{image.name}' is not yours: to change your"
                    " grading, reopen the image from a version of your own."
                )
            files = replace(_files_of(session, parent), probabilities=None)
        if request.action is Action.REOPEN:
            image.round += 1
            keep_second_grader(session, image, request.author)
        return _add(store, session, image, request, parent, files, None)


def add_prediction(
    store: Store, image_id: int, segmentation: Segmentation, figures: ReviewFigures | None
) -> Version:
    """Save a prediction; see `Project.add_prediction`."""
    store.database.check_writable()
    check_model(segmentation.provenance.model, segmentation.scheme, store.scheme)
    annotation = Annotation(segmentation.labels, segmentation.boundaries, segmentation.ignore)
    with store.database.reading() as session:
        image = image_row(session, image_id)
        check_present(session, image)
        check_fits(annotation, image_value(store, image, blinded=False), store.scheme)
        figures = _with_difference(store, session, image, segmentation, figures)
    files = _write_annotation(store, annotation)
    uncertainty = None
    if segmentation.probabilities is not None:
        uncertainty = segmentation.mean_uncertainty()
        content = encode_arrays({"probabilities": segmentation.probabilities})
        files = replace(files, probabilities=store.files.put(content, ".npz"))
    with store.database.writing() as session:
        image = image_row(session, image_id)
        row = _new_row(store, session, image, files)
        row.kind, row.state, row.grading = (
            VersionKind.PREDICTION,
            State.UNREVIEWED,
            GradingRound.FIRST,
        )
        row.model = segmentation.provenance.model
        row.weights_sha256 = segmentation.provenance.weights_sha256
        row.seconds = segmentation.provenance.seconds
        row.comment, row.uncertainty = segmentation.message, uncertainty
        image.uncertainty = -1 if uncertainty is None else uncertainty
        row.checks = [asdict(check) for check in segmentation.checks]
        image.warning = segmentation.warning
        note_figures(session, image_id, row.number, figures)
        session.add(row)
        session.flush()
        return version_value(row)


def _with_difference(
    store: Store,
    session: Session,
    image: ImageRow,
    segmentation: Segmentation,
    figures: ReviewFigures | None,
) -> ReviewFigures | None:
    """Add how much the newest prediction by another model differs, unless a difference is known."""
    if figures is None or figures.differs is not None:
        return figures
    weights = segmentation.provenance.weights_sha256
    earlier = find_earlier_mask(store, session, versions_of(session, image), weights)
    if earlier is None:
        return figures
    model, labels = earlier
    labels = labels.reshape(segmentation.labels.shape)
    differs = find_difference(labels, segmentation.labels, len(store.scheme))
    return replace(figures, differs=differs, differs_from=f"the mask of {model}")


def check_model(name: str, drawn: LabelScheme, wanted: LabelScheme) -> None:
    """Raise `ProjectError` if a model has other classes than the project."""
    if drawn != wanted:
        raise ProjectError(
            f"The model '{name}' draws '{drawn.name}', the masks of this project are"
            f" '{wanted.name}': choose a model with these classes."
        )


def _add(
    store: Store,
    session: Session,
    image: ImageRow,
    request: EditRequest,
    parent: VersionRow | None,
    files: _Files,
    change: Change | None,
) -> Version:
    """Add the row of a person's version, and update that of the image."""
    step = resolve_transition(session, image, request, parent, store.author)
    row = _new_row(store, session, image, files)
    row.kind, row.grading, row.conflict = (
        VersionKind.HUMAN,
        GRADING_ROUNDS[request.action],
        step.conflict,
    )
    row.state = state_of_version(request.action, step.state)
    row.parent = parent
    if parent is not None:
        row.prediction_id = (
            parent.id if parent.kind == VersionKind.PREDICTION else parent.prediction_id
        )
        row.model, row.weights_sha256 = parent.model, parent.weights_sha256
    row.author, row.seconds = request.author, request.seconds
    row.comment, row.reason = request.comment, request.reason
    row.change = None if change is None else asdict(change)
    # In this order, in which a server checks it: who grades, the version, the image's state.
    if request.action in SECOND_ACTIONS:
        assign_second_grader(session, image.id, request.author)
        session.flush()
    session.add(row)
    session.flush()
    first = newest_human(session, image, GradingRound.FIRST)
    if step.conflict:
        image.conflict = True
    else:
        image.state = step.state
        if request.action is Action.REOPEN:
            image.conflict = False
        if request.action is Action.SECOND_REOPEN and first is not None:
            image.author = first.author
        elif request.action is not Action.SECOND_DRAFT:  # it must stay hidden
            image.author = request.author
    session.flush()
    return version_value(row)


def _find_parent(session: Session, image: ImageRow, request: EditRequest) -> VersionRow | None:
    if request.parent is None:
        return None
    parent = version_row(session, image, request.parent)
    check_visible(session, image, parent, request.author)
    return parent


def _find_prediction(session: Session, image: ImageRow, number: int | None) -> VersionRow:
    predictions = [
        row
        for row in versions_of(session, image)
        if row.kind == VersionKind.PREDICTION and number in (None, row.number)
    ]
    if not predictions:
        which = "prediction" if number is None else f"prediction with the number {number}"
        raise ProjectError(f"'{image.name}' has no {which} to accept: run a model.")
    return predictions[-1]


def _newest_of_round(session: Session, image: ImageRow) -> VersionRow | None:
    """Return the current version of the image: the adjudication, or else the first grading."""
    adjudicated = newest_human(session, image, GradingRound.ADJUDICATION)
    return adjudicated or newest_human(session, image, GradingRound.FIRST)


def _new_row(store: Store, session: Session, image: ImageRow, files: _Files) -> VersionRow:
    store.check_files(session)
    return VersionRow(
        image_id=image.id,
        number=len(versions_of(session, image)) + 1,
        round=image.round,
        conflict=False,
        scheme_id=store.scheme_id,
        program=__version__,
        seconds=0,
        comment="",
        reason="",
        mask=keep_file(session, files.mask),
        boundaries=keep_file(session, files.boundaries),
        probabilities=keep_file(session, files.probabilities),
        questionable=keep_file(session, files.questionable),
        created_at=now(),
    )


def _write_annotation(store: Store, annotation: Annotation) -> _Files:
    mask = store.files.put(*encode_mask(annotation.labels, store.scheme))
    boundaries = questionable = None
    if annotation.boundaries is not None:
        content = encode_arrays({"boundaries": annotation.boundaries})
        boundaries = store.files.put(content, ".npz")
    if annotation.ignore is not None and annotation.ignore.any():
        region = annotation.ignore.astype(np.uint8)
        questionable = store.files.put(*encode_mask(region, QUESTIONABLE))
    return _Files(mask, boundaries, None, questionable)


def _files_of(session: Session, row: VersionRow) -> _Files:
    def find(sha256: str | None) -> StoredFile | None:
        return None if sha256 is None else stored_file(session.get_one(FileRow, sha256))

    return _Files(*map(find, (row.mask, row.boundaries, row.probabilities, row.questionable)))


def _compare(
    store: Store, session: Session, annotation: Annotation, parent: VersionRow | None
) -> Change | None:
    """Return the change against the prediction that a drawing derives from, or its parent."""
    before = parent and (parent.prediction or parent)
    if before is None or before.mask is None:
        return None
    try:
        content, path = store.read_file(session, before.mask)
        labels = decode_mask(content, path).reshape(annotation.labels.shape)
    except RetinaSegError:  # `check` reports a lost prediction: the new work is saved anyway
        return None
    return find_change(labels, annotation.labels, len(store.scheme), before.number)
