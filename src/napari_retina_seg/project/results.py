"""Results of methods of `Project` that act on many images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.project.values import ProjectImage


@dataclass(frozen=True)
class Added:
    """Result of adding image files.

    Attributes
    ----------
    images : tuple of ProjectImage
        The new images.
    duplicates : tuple of (Path, ProjectImage)
        Files whose content the project has already, with that image.
    problems : tuple of str
        A sentence for each file that could not be read.
    identifiers : tuple of (ProjectImage, tuple of str)
        New images whose files may identify the patient, and by what; the project keeps nothing
        of that but the image's name.
    warnings : tuple of str
        Warnings about the files.
    """

    images: tuple[ProjectImage, ...]
    duplicates: tuple[tuple[Path, ProjectImage], ...]
    problems: tuple[str, ...]
    identifiers: tuple[tuple[ProjectImage, tuple[str, ...]], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assigned:
    """Result of assigning second graders.

    Attributes
    ----------
    assigned : tuple of (int, str)
        Images, each with its second grader.
    problems : tuple of str
        A sentence for each image that got none.
    """

    assigned: tuple[tuple[int, str], ...]
    problems: tuple[str, ...]
