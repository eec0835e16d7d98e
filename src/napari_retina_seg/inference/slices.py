"""Segment a volume slice by slice, without keeping the masks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from napari_retina_seg.inference.plausibility import join_checks
from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ImageError, UnfitImageError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress, finish
from napari_retina_seg.types.segmentation import Check, Provenance, Segmentation, warn


@dataclass(frozen=True, eq=False)
class SegmentedSlices:
    """What is known of a volume whose masks were handed on.

    Attributes
    ----------
    count : int
        Number of slices.
    provenance : Provenance
        Of all of them; the seconds are their sum.
    checks : tuple of Check
        Checks that fired in more than a twentieth of them.
    guessed : tuple of int
        Slices in which the layers of some columns are a guess.
    unchecked : bool
        Whether no limits were measured for the model.
    skipped : tuple of int
        Slices in which there was nothing to see.
    """

    count: int
    provenance: Provenance
    checks: tuple[Check, ...]
    guessed: tuple[int, ...]
    unchecked: bool
    skipped: tuple[int, ...] = ()

    @property
    def fired_checks(self) -> tuple[str, ...]:
        """Names of the checks that fired, and "guess" if layers of some columns are one."""
        return (*(check.name for check in self.checks), *(("guess",) if self.guessed else ()))

    @property
    def message(self) -> str:
        """The warning that it is unlike the training data, and what was left out or guessed."""
        left_out = f"{count(len(self.skipped), 'slice')} with nothing to see left out."
        guess = f"In {count(len(self.guessed), 'slice')} the layers are a guess in some columns."
        sentences = (
            warn(self.checks, self.count),
            left_out if self.skipped else "",
            guess if self.guessed else "",
        )
        return " ".join(filter(None, sentences))


def iter_segment_slices(
    image: RetinaImage,
    model: ModelFolder,
    on_mask: Callable[[int, Annotation | None], None],
    *,
    token: CancelToken | None = None,
) -> Generator[Progress, None, SegmentedSlices]:
    """Segment a volume, and hand on the mask of each slice; no more than one is in memory.

    Parameters
    ----------
    image : RetinaImage
        The volume; lazy pixels are read slice by slice.
    model : ModelFolder
        With which model.
    on_mask : callable
        Called with the index of each slice and its mask, None where there is nothing to see.
    token : CancelToken, optional
        Stops the work before the next slice or tile.

    Yields
    ------
    Progress
        Before each slice.

    Returns
    -------
    SegmentedSlices
        What is known of all of them.

    Raises
    ------
    ModelError
        If the model is broken or takes other images.
    ImageError
        If there is nothing to see in any slice.
    Cancelled
        If it was cancelled through `token`.
    """
    fired: dict[int, dict[str, str]] = {}
    skipped: list[int] = []
    guessed: list[int] = []
    seconds, known = 0.0, None
    for index in range(image.n_slices):
        yield Progress(index, image.n_slices, f"{index + 1} of {image.n_slices} slices")
        is_needed = known is None and index + 1 == image.n_slices
        mask = _segment_slice(image, model, index, token, is_needed=is_needed)
        on_mask(index, mask)
        if mask is None:
            skipped.append(index)
            continue
        known = mask.provenance, bool(mask.unchecked)
        seconds += mask.provenance.seconds
        fired[index] = {check.name: check.reason for check in mask.checks}
        guessed += [index] if "guess" in mask.fired_checks else []
        del mask  # before the next one takes its memory
    assert known is not None  # noqa: S101 - an error was raised if nothing was segmented
    yield Progress(image.n_slices, image.n_slices, "Done")
    provenance, unchecked = known
    return SegmentedSlices(
        image.n_slices,
        replace(provenance, seconds=seconds),
        join_checks(tuple(fired.values()), tuple(fired)),
        tuple(guessed),
        unchecked,
        tuple(skipped),
    )


def _segment_slice(
    image: RetinaImage,
    model: ModelFolder,
    index: int,
    token: CancelToken | None,
    *,
    is_needed: bool,
) -> Segmentation | None:
    """Return the mask of a slice, None if there is nothing to see in it and others show more."""
    try:
        return finish(iter_segment(image, model, index=index, token=token))
    except UnfitImageError:
        raise
    except ImageError:
        if is_needed:
            raise
        return None
