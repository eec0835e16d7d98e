"""Inter-grader agreement of a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace

from napari_retina_seg.metrics.agreement import (
    Agreement,
    AgreementAccumulator,
    Gradability,
    GradedImage,
    ImageAgreement,
)
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, GradingRound, State
from napari_retina_seg.project.store import same_person
from napari_retina_seg.project.values import DoubleGrading, Version
from napari_retina_seg.project.view import ProjectView, check_opened
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, TooEarlyError
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.workflows.export_options import Identities
from napari_retina_seg.workflows.naming import find_names
from napari_retina_seg.workflows.open_places import find_in_version, read_proposal


def find_agreement(
    project: ProjectView,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Agreement:
    """Compare the first and the second gradings of a project.

    For an image that was reopened and graded twice again, the last two gradings count.

    Parameters
    ----------
    project : Project
        The project, opened by someone who may see both gradings.
    progress : callable, optional
        Called with a `Progress` before each image.
    cancel : CancelToken, optional
        Stops it before the next image.

    Returns
    -------
    Agreement
        Dice, kappa and, for layers, boundary and thickness differences.

    Raises
    ------
    TooEarlyError
        If this person is a second grader who has not finished, or nothing was graded twice.
    ProjectError
        If a file is missing, cut or altered.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> with rs.Project.create("study", scheme="oct-layers", author="Carl") as project:
    ...     added = project.add_images("scan.png")
    ...     first = rs.import_masks(project, "scan_mask.png", author="Ann")
    ...     second = rs.import_masks(project, "scan_mask.png", author="Bob", second_grading=True)
    ...     rs.find_agreement(project).images[0].dice
    1.0
    """
    check_opened(project)
    return finish(iter_agreement(project, token=cancel), progress)


def iter_agreement(
    project: ProjectView, *, token: CancelToken | None = None
) -> Generator[Progress, None, Agreement]:
    """Compare the gradings of a project step by step; see `find_agreement`.

    For an image that was reopened and graded twice again, the last two gradings count.

    Parameters
    ----------
    project : ProjectView
        The project, as seen by someone who may see both gradings.
    token : CancelToken, optional
        To stop it.

    Yields
    ------
    Progress
        Images that are done, of all.

    Raises
    ------
    TooEarlyError
        If this person is a second grader who has not finished, or nothing was graded twice.
    ProjectError
        If a file is missing, cut or altered.
    """
    token = token or CancelToken()
    project.check_records()
    pairs = project.double_gradings()
    if not pairs:
        raise TooEarlyError(
            "No image of this project has been graded twice yet: assign a second grader to some"
            " images, who grades them without seeing the first grading."
        )
    graded = [pair for pair in pairs if _can_be_graded(pair) == (True, True)]
    scores, open_gradings = AgreementAccumulator(project.scheme), 0
    for done, pair in enumerate(graded):
        yield Progress(done, len(graded), pair.image.name)
        token.raise_if_cancelled()
        first, second = (_read(project, pair, number) for number in pair.numbers)
        open_gradings += bool(find_in_version(project, pair.first, first))
        open_gradings += bool(find_in_version(project, pair.second, second))
        begun = read_proposal(project, pair.first), read_proposal(project, pair.second)
        scores.add(_describe(pair), first, second, begun)
    yield Progress(len(graded), len(graded), "Calculating the figures")
    return replace(scores.result(_gradability(pairs)), open_gradings=open_gradings)


def rename_images(agreement: Agreement, project: ProjectView, identities: Identities) -> Agreement:
    """Return an agreement whose images and patients are called as in exports, for a report.

    Parameters
    ----------
    agreement : Agreement
        Of the project.
    project : ProjectView
        The project.
    identities : Identities
        Whose names are kept.
    """
    names = find_names(project, identities)
    numbers = {one.image.number for one in agreement.images}
    images = [image for image in project.images() if image.id in numbers]
    called = dict(zip((image.id for image in images), names.choose(images), strict=True))
    patients = {image.id: image.patient for image in images}

    def rename(one: ImageAgreement) -> ImageAgreement:
        patient = (patients[one.image.number] or "").strip()
        group = names.group(patient) if patient else one.image.group
        return replace(one, image=replace(one.image, name=called[one.image.number], group=group))

    return replace(agreement, images=tuple(map(rename, agreement.images)))


def adopt(project: Project, image_id: int, chosen: Version, *, comment: str = "") -> Version:
    """Adjudicate two gradings of an image by making one of them the final version.

    Parameters
    ----------
    project : Project
        The project, opened by the adjudicator.
    image_id : int
        Which image.
    chosen : Version
        The grading to adopt; if it says that the image is ungradable, that is final.
    comment : str
        Comment of the adjudicator.

    Raises
    ------
    ProjectError
        If the image was not graded twice, is adjudicated already, another person is
        adjudicating it, or it can't be written.
    """
    check_adoptable(project, image_id, chosen)
    if chosen.mask is None:
        return project.mark_ungradable(image_id, chosen.reason, comment=comment)
    annotation = project.annotation(image_id, chosen.number)
    draft = _find_draft(project, image_id)
    parent = chosen if draft is None else draft  # continues an adjudicator's own draft
    final = project.save_version(
        image_id, annotation, Action.ADJUDICATE, parent=parent.number, comment=comment
    )
    if final.conflict:
        raise ProjectError(
            f"'{project.image(image_id).name}' was adjudicated by another person meanwhile: both"
            " masks are kept; reopen the one that is right."
        )
    return final


def check_adoptable(project: Project, image_id: int, chosen: Version) -> None:
    """Check that `adopt` is possible, without changing anything.

    Raises
    ------
    ProjectError
        If it can't.
    """
    image = project.image(image_id)
    if image.state is not State.GRADED_TWICE:
        raise ProjectError(
            f"'{image.name}' is {image.state}: only an image that was graded twice and not"
            " adjudicated since can be adjudicated."
        )
    project.check_permissions(image_id, Action.ADJUDICATE)
    draft = _find_draft(project, image_id)
    if draft is not None and not same_person(draft.author, project.author):
        raise ProjectError(
            f"{draft.author} has begun to adjudicate '{image.name}': let {draft.author} finish it,"
            " or continue that draft in the Review dock."
        )
    if chosen.mask is not None:
        project.annotation(image_id, chosen.number)


def _find_draft(project: Project, image_id: int) -> Version | None:
    """Return the newest draft of an adjudicator in this round."""
    begins = project.permissions(image_id).begins
    return begins if begins is not None and begins.grading is GradingRound.ADJUDICATION else None


def _can_be_graded(pair: DoubleGrading) -> tuple[bool, bool]:
    return pair.first.state is not State.UNGRADABLE, pair.second.state is not State.UNGRADABLE


def _gradability(pairs: tuple[DoubleGrading, ...]) -> Gradability:
    counts = Counter(map(_can_be_graded, pairs))
    return Gradability(
        both=counts[True, True],
        only_first=counts[True, False],
        only_second=counts[False, True],
        neither=counts[False, False],
    )


def _describe(pair: DoubleGrading) -> GradedImage:
    image = pair.image
    return GradedImage(
        number=image.id,
        name=image.name,
        group=image.patient or f"#{image.id}",
        first=pair.first.author or "",
        second=pair.second.author or "",
        axial_um=image.spacing.axial.um,
    )


def _read(project: ProjectView, pair: DoubleGrading, number: int) -> Annotation:
    return project.annotation(pair.image.id, number)
