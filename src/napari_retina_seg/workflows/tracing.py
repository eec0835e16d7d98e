"""From a model to the masks and the people behind it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.models.spec import Ancestor, lineage
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.model_uses import ModelUse
from napari_retina_seg.project.values import ProjectImage, Version
from napari_retina_seg.project.view import ProjectView


@dataclass(frozen=True)
class TracedModel:
    """A model of a lineage, with what the project knows of it.

    Attributes
    ----------
    model : Ancestor
        The model.
    masks : tuple of (ProjectImage, Version)
        The masks of the project that it learnt from, in the order of the images.
    unknown : int
        Masks that it learnt from and the project does not have, or does not show to this person.
    uses : tuple of ModelUse
        When it was taken into use here.
    """

    model: Ancestor
    masks: tuple[tuple[ProjectImage, Version], ...]
    unknown: int
    uses: tuple[ModelUse, ...]

    @property
    def people(self) -> tuple[str, ...]:
        """Who drew these masks, sorted."""
        return tuple(sorted({version.author for _, version in self.masks if version.author}))


def trace(project: ProjectView, model: ModelFolder) -> tuple[TracedModel, ...]:
    """Trace a model and all before it to the masks of a project.

    Parameters
    ----------
    project : ProjectView
        The project.
    model : ModelFolder
        The model.

    Returns
    -------
    tuple of TracedModel
        The model, the one it began with, …, down to the first.
    """
    images = [*project.images(), *project.images(Filters(removed=True))]
    drawn: dict[str, list[tuple[ProjectImage, Version]]] = {}
    for image in sorted(images, key=lambda one: one.id):
        for version in project.history(image.id):
            if version.mask:
                drawn.setdefault(version.mask, []).append((image, version))
    uses = project.model_uses()
    return tuple(
        TracedModel(
            one,
            tuple(found for mask in one.masks for found in drawn.get(mask, ())),
            sum(mask not in drawn for mask in one.masks),
            tuple(use for use in uses if use.model.weights_sha256 == one.weights_sha256),
        )
        for one in lineage(model.spec)
    )
