"""Open places in saved masks: what can't be as it is drawn, compared with earlier versions."""

from __future__ import annotations

from collections.abc import Iterator

from napari_retina_seg.editing.open_places import OpenPlace, find_open_places
from napari_retina_seg.project.values import Version, VersionKind
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.annotation import Annotation


def find_in_version(
    project: ProjectView, version: Version, annotation: Annotation
) -> tuple[OpenPlace, ...]:
    """Find the open places in the mask of a version.

    A slice of a volume from which all layers were erased is one, if an earlier version has layers
    there.

    Parameters
    ----------
    project : ProjectView
        The project.
    version : Version
        Which version.
    annotation : Annotation
        Its mask.

    Raises
    ------
    ProjectError
        If a file of an earlier version is missing, cut or altered.
    """
    before = []
    if annotation.labels.ndim > 2:
        earlier = (each for each in iter_ancestors(project, version) if each.mask is not None)
        before = [project.annotation(each.image_id, each.number).labels for each in earlier]
    return find_open_places(annotation.labels, project.scheme, annotation.ignore, before)


def iter_ancestors(project: ProjectView, version: Version) -> Iterator[Version]:
    """Yield the versions that a version continues, the latest first, as far as one may see."""
    versions = {each.number: each for each in project.history(version.image_id)}
    # A version continues an earlier one; records from elsewhere may lead round in a circle.
    while (parent := versions.get(version.parent or 0)) and parent.number < version.number:
        version = parent
        yield version


def read_proposal(project: ProjectView, version: Version) -> Annotation | None:
    """Read the model's mask that a version began with, if it did."""
    chain = (version, *iter_ancestors(project, version))
    if chain[-1].kind is not VersionKind.PREDICTION:
        return None
    return project.annotation(version.image_id, chain[-1].number)
