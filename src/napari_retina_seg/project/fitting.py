"""Check that an annotation fits its image and scheme."""

from __future__ import annotations

from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelScheme


def check_fits(annotation: Annotation, image: ProjectImage, scheme: LabelScheme) -> None:
    """Raise `ProjectError` if it does not fit the image's grid and the scheme."""
    shape = annotation.labels.shape
    if shape != image.shape:
        raise ProjectError(
            f"The mask is {_size(shape)}, the image '{image.name}' {_size(image.shape)}: draw it on"
            " this image."
        )
    highest = int(annotation.labels.max(initial=0))
    if highest >= len(scheme):
        raise ProjectError(
            f"The mask of '{image.name}' has the value {highest}: the classes of"
            f" '{scheme.name}' are 0 to {len(scheme) - 1}."
        )
    lines = annotation.boundaries
    if lines is not None and lines.shape[-2] != len(scheme.surfaces):
        raise ProjectError(
            f"'{scheme.name}' has {len(scheme.surfaces)} boundaries: received"
            f" {lines.shape[-2]} for '{image.name}'."
        )


def _size(shape: tuple[int, ...]) -> str:
    """Format a size as image viewers do: width first."""
    *slices, rows, columns = shape
    plane = f"{columns} × {rows} px"
    return f"{count(slices[0], 'slice')} of {plane}" if slices else plane
