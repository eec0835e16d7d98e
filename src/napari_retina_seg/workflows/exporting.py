"""Export the masks of a project to the formats of other programs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.io.atomic import atomic_folder
from napari_retina_seg.io.formats.record import (
    Maker,
)
from napari_retina_seg.project.states import State
from napari_retina_seg.project.view import ProjectView, check_opened
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish
from napari_retina_seg.types.segmentation import UNLIKE
from napari_retina_seg.workflows.export_index import find_ungradable
from napari_retina_seg.workflows.export_job import ExportJob, SplitSide
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.naming import find_names
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.selection import (
    Selection,
    add_patients,
    iter_choose,
    warn_of_empty_splits,
)

_NAMED = 5  # images in a sentence


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes
    ----------
    folder : Path
        The exported folder.
    masks : int
        Number of masks that count as truth.
    predictions : int
        Number of unreviewed predictions, in a separate folder `predictions`.
    pseudonyms : int
        Number of images exported under a pseudonym.
    problems : tuple of str
        A sentence for each mask that could not be exported.
    sides : tuple of SplitSide
        The splits of a training set.
    flagged : tuple of str
        Images unlike the training data of the model that made their prediction.
    undecided : tuple of str
        Images with two gradings and no final decision, of which the first was exported.
    captioned : tuple of str
        Exported images with what looks like text in the margin, which no pseudonym removes.
    open_places : tuple of str
        Images in whose mask layers are missing, out of order, in pieces, or jump.
    ungradable : int
        Number of images of the selection that are ungradable, and have no mask.
    """

    folder: Path
    masks: int
    predictions: int
    pseudonyms: int
    problems: tuple[str, ...]
    sides: tuple[SplitSide, ...] = ()
    flagged: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    captioned: tuple[str, ...] = ()
    open_places: tuple[str, ...] = ()
    ungradable: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether some of the masks should be looked at."""
        return bool(self.flagged or self.undecided or self.captioned or self.open_places)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on how images were divided, and which were flagged."""
        sentences = []
        if self.sides:
            parts = [
                f"{side.name} {count(side.images, 'image')} of {count(side.patients, 'patient')}"
                for side in self.sides
            ]
            sentences.append(f"Divided by patient: {', '.join(parts)}.")
            sentences.append(warn_of_empty_splits(len(self.sides)))  # each has at least one patient
        if self.ungradable:
            sentences.append(f"Ungradable, so without a mask: {count(self.ungradable, 'image')}.")
        if self.flagged:
            sentences.append(f"{UNLIKE} in {_list_some(self.flagged)}: check their masks.")
        if self.undecided:
            sentences.append(
                "Graded twice without a final decision, so that the first grading was exported:"
                f" {_list_some(self.undecided)}. Adjudicate them, or leave their state out."
            )
        if self.captioned:
            sentences.append(
                f"There may be text in the margin of {_list_some(self.captioned)}: look at these"
                " images before you pass them on. Text in the pixels is never removed."
            )
        if self.open_places:
            sentences.append(
                "Layers are missing, out of order, in pieces, or jump in"
                f" {_list_some(self.open_places)}: open them in Review and press Show next place."
            )
        return tuple(sentences)


def _list_some(names: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{listed} and {more} more" if more > 0 else listed


def export_masks(
    project: ProjectView,
    folder: str | Path,
    format: Format | str,
    *,
    selection: Selection | None = None,
    identities: Identities | str = Identities.HIDE,
    patients: PatientRule | None = None,
    with_images: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Exported:
    """Export masks to a new folder, which appears when all of it is written.

    Parameters
    ----------
    project : Project
        The project.
    folder : str or Path
        Target folder; it must not exist, or be empty.
    format : Format or str
        The format, e.g. ``"png"``, ``"coco"``, ``"training"``.
    selection : Selection, optional
        Which masks; by default all that count as truth.
    identities : Identities or str
        By default, images get pseudonyms unless their names were confirmed as harmless
        (`Project.confirm_names`), and so do patients.
    patients : PatientRule, optional
        How to find the patients of images without one; required by formats with images.
    with_images : bool
        Write the images beside the masks, for formats that refer to images.
    progress : callable, optional
        Called with a `Progress` before each image.
    cancel : CancelToken, optional
        Stops it before the next image; nothing is written then.

    Returns
    -------
    Exported
        One mask that can't be written in this format does not stop the others.

    Raises
    ------
    WriteError
        If there is no such format, nothing to export, or the folder holds something or can't be
        written.
    ProjectError
        If the patients of exported images are unknown.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
    ...     added = project.add_images("scan.png")
    ...     done = rs.predict_images(project, "oct-layers")
    ...     version = project.accept(added.images[0].id)
    ...     rs.export_masks(project, "masks", "png").masks
    1
    """
    check_opened(project)
    job = iter_export(
        project,
        Path(folder),
        member(Format, format, "format", WriteError),
        selection=selection,
        identities=member(Identities, identities, "way to treat identities", WriteError),
        patients=patients,
        with_images=with_images,
        token=cancel,
    )
    return finish(job, progress)


def iter_export(
    project: ProjectView,
    folder: Path,
    format: Format,
    *,
    selection: Selection | None = None,
    identities: Identities = Identities.HIDE,
    patients: PatientRule | None = None,
    with_images: bool = False,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Exported]:
    """Write masks to a new folder step by step; see `export_masks`.

    Parameters
    ----------
    project : ProjectView
        The project.
    folder : Path
        Target folder; it must not exist, or be empty.
    format : Format
        The format.
    selection : Selection, optional
        Which masks; by default all that count as truth.
    identities : Identities
        By default, images get pseudonyms unless their names were confirmed as harmless, and so
        do patients; they can only be reversed with the project's key.
    patients : PatientRule, optional
        How to find the patients of images without one. Formats with images need it, since all
        images of a patient belong to one split.
    with_images : bool
        Whether the images are written beside the masks, as PNG without anything but their pixels,
        slice by slice; for formats that refer to images (`Format.may_have_images`). labelme
        always gets them: it opens a mask only together with its image.
    token : CancelToken, optional
        Stops it before the next image; nothing is written then.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    Exported
        One mask that can't be written in this format does not stop the others.

    Raises
    ------
    WriteError
        If there is nothing to export, the format has no images beside it, or the folder holds
        something or can't be written.
    ProjectError
        If the patients of exported images are unknown.
    Cancelled
        If `token` was cancelled.
    """
    token = token or CancelToken()
    if with_images and not format.may_have_images:
        raise WriteError(
            f"'{format.value}' can't include images: leave them out, or choose coco, coco-polygons,"
            " vgg, cvat or labelme."
        )
    project.check_records()
    names = find_names(project, identities)
    chosen, refused = yield from iter_choose(project, selection or Selection(), names, token)
    if not chosen:
        because = f" {refused[0]}" if refused else ""
        raise WriteError(f"There is no mask to export in the selection.{because}")
    if format.has_images:
        chosen = add_patients(chosen, patients, names)
    with atomic_folder(folder) as new:
        images = with_images or format is Format.LABELME
        job = ExportJob(project, new, format, identities, patients, token, with_images=images)
        yield from job.iter_run(chosen)
        token.raise_if_cancelled()
        if not job.cards:
            raise WriteError(f"None of {len(chosen)} masks was exported. {job.problems[0]}")
        ungradable = find_ungradable(project, selection or Selection(), names)
        job.write_index(ungradable)
    truths = sum(card.attribution.maker is Maker.HUMAN for card in job.cards)
    left = {card.name for card in job.cards}
    return Exported(
        folder=folder,
        masks=truths,
        predictions=len(job.cards) - truths,
        pseudonyms=sum(one.is_hidden for one in chosen if one.name in left),
        problems=(*refused, *job.problems),
        sides=job.sides,
        flagged=tuple(one.image.name for one in chosen if one.name in left and one.image.warning),
        undecided=tuple(
            one.image.name
            for one in chosen
            if one.name in left and one.image.state is State.GRADED_TWICE
        ),
        captioned=tuple(job.captioned),
        open_places=tuple(job.open_places),
        ungradable=len(ungradable),
    )
