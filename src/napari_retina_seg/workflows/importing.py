"""Import masks from files as new versions."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.io.formats.sources import (
    Expected,
    find_sources,
    is_dicom,
)
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.values import Version
from napari_retina_seg.project.view import check_opened
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.progress import (
    Cancelled,
    CancelToken,
    Progress,
    ProgressCallback,
    finish,
)
from napari_retina_seg.workflows.dicom_images import (
    DicomImage,
    iter_dicom_images,
)
from napari_retina_seg.workflows.export_index import read_ungradable
from napari_retina_seg.workflows.image_finder import ImageFinder
from napari_retina_seg.workflows.import_job import ImportJob


@dataclass(frozen=True)
class Imported:
    """Result of an import.

    Attributes
    ----------
    versions : tuple of Version
        The new versions.
    known : int
        Number of masks that the project has already, by the same person.
    problems : tuple of str
        A sentence for each file or mask that was not imported.
    identifiers : tuple of str
        A sentence for each file that may identify the patient (nothing of that is kept), and
        for each mask that should be checked.
    unannotated : tuple of str
        Images that a file lists without a mask, or with boxes only: they stay unchanged.
    """

    versions: tuple[Version, ...]
    known: int
    problems: tuple[str, ...]
    identifiers: tuple[str, ...]
    unannotated: tuple[str, ...] = ()

    @property
    def ungradable(self) -> int:
        """Number of the new versions that have no mask: their images are ungradable."""
        return sum(version.mask is None for version in self.versions)


def import_masks(
    project: Project,
    path: str | Path,
    *,
    author: str | None = None,
    second_grading: bool = False,
    remap: Mapping[int, int] | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Imported:
    """Import the masks of a file or folder, in any export format, as new versions.

    An image is found by its hash where the mask's file states it; by the UID that a DICOM
    Segmentation refers to, or its series and name; else by its name or pseudonym. Predictions
    are not imported. Importing the same masks again adds only those that are missing.

    Parameters
    ----------
    project : Project
        The project.
    path : str or Path
        A file or a folder.
    author : str, optional
        Who drew the masks whose files do not state it.
    second_grading : bool
        Whether the masks are second gradings.
    remap : mapping, optional
        What values of masks from other programs stand for, e.g. ``{255: 1}``; otherwise 255 is
        what is to be ignored.
    progress : callable, optional
        Called with a `Progress` before each file.
    cancel : CancelToken, optional
        Stops it before the next mask; versions that were saved stay.

    Returns
    -------
    Imported
        One mask that can't be imported does not stop the others.

    Raises
    ------
    ReadError
        If there is no mask.
    ProjectError
        If the project can't be written.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
    ...     added = project.add_images("scan.png")
    ...     len(rs.import_masks(project, "scan_mask.png", author="Ann").versions)
    1
    """
    check_opened(project)
    job = iter_import_masks(
        project, Path(path), author=author, second_grading=second_grading, remap=remap, token=cancel
    )
    return finish(job, progress)


def iter_import_masks(
    project: Project,
    path: Path,
    *,
    author: str | None = None,
    second_grading: bool = False,
    remap: Mapping[int, int] | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Imported]:
    """Import the masks of a file or folder step by step; see `import_masks`.

    An image is found by its hash where the mask's file states it; by the UID that a DICOM
    Segmentation refers to, or its series and name; else by its name or pseudonym.
    Predictions are not imported. Importing the same masks again adds only those that are missing.

    Parameters
    ----------
    project : Project
        The project.
    path : Path
        A file, or a folder; see `io.formats.sources.find_sources`.
    author : str, optional
        Who drew the masks whose files do not state it.
    second_grading : bool
        Whether the masks are second gradings.
    remap : mapping, optional
        What values of masks from other programs stand for, e.g. ``{255: 1}``; otherwise 255 is
        what is to be ignored.
    token : CancelToken, optional
        Stops it before the next mask; versions that were saved stay.

    Yields
    ------
    Progress
        Before each file.

    Returns
    -------
    Imported
        One mask that can't be imported does not stop the others.

    Raises
    ------
    ReadError
        If there is no mask.
    ProjectError
        If the project can't be written.
    Cancelled
        If `token` was cancelled.
    """
    token = token or CancelToken()
    if project.read_only:
        raise ProjectError(
            f"The project '{project.folder}' is read-only: ask for write permission."
        )
    project.check_records()
    ungradable = read_ungradable(path)
    sources = find_sources(path)
    images = ImageFinder(project)
    expected = Expected(project.scheme, images.shapes, remap or {})
    dicom: tuple[DicomImage, ...] = ()
    if any(map(is_dicom, sources)):
        dicom = yield from iter_dicom_images(project.images(), token)
    job = ImportJob(project, images, dicom, author, second_grading)
    for done, source in enumerate(sources):
        yield Progress(done, len(sources), source.name)
        for record in job.read(source, expected):
            if token.cancelled:
                kept = len(job.versions)
                raise Cancelled(f"Cancelled: {count(kept, 'new version')} kept.")
            job.add(record)
            yield Progress(done, len(sources), record.name)
    for known in ungradable:
        job.add_ungradable(known)
    yield Progress(len(sources), len(sources), "Done")
    return Imported(
        tuple(job.versions),
        job.known,
        tuple(job.problems),
        tuple(job.identifiers),
        tuple(job.unannotated),
    )
