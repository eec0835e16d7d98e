"""Results of methods of `Project` that act on many images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.counts import count


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
class Ranked:
    """Result of working out the order by expected gain.

    Attributes
    ----------
    images : int
        Unfinished images with a prediction: those that have a place.
    without_figures : int
        How many of them have only their mean uncertainty, since an earlier version of the program
        made the prediction.
    compares : bool
        Whether enough images were corrected to tell which ones are unlike them.
    """

    images: int
    without_figures: int
    compares: bool

    @property
    def sentence(self) -> str:
        """What the order is founded on; empty if nothing is missing."""
        if not self.images:
            return "No unfinished image has a prediction with probabilities: run a model first."
        if self.without_figures:
            return (
                f"Of {self.without_figures} of {count(self.images, 'image')} only the mean"
                " uncertainty is known, from an earlier version of the program: predict again, and"
                " the other figures are worked out without running the model."
            )
        if not self.compares:
            return (
                "Fewer than 3 images were corrected, so that the order does not yet know which are"
                " unlike them."
            )
        return ""


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
