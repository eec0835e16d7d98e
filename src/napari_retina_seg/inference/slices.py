"""Segment a volume slice by slice, without keeping the masks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial

from napari_retina_seg.inference.plausibility import join_checks
from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.inference.slice_jobs import SliceItem, SliceWorkers, iter_slices
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
    workers: SliceWorkers | None = None,
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
    workers : SliceWorkers, optional
        Where the slices are segmented; by default here. Each worker keeps a few masks.

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
    seconds = 0.0
    known: tuple[Provenance, bool] | None = None

    def take(item: SliceItem, mask: Segmentation | ImageError) -> None:
        nonlocal seconds, known
        index = item.index
        if isinstance(mask, ImageError):
            if known is None and index + 1 == image.n_slices:
                raise mask
            skipped.append(index)
            on_mask(index, None)
            return
        on_mask(index, mask)
        known = mask.provenance, bool(mask.unchecked)
        seconds += mask.provenance.seconds
        fired[index] = {check.name: check.reason for check in mask.checks}
        guessed.extend([index] if "guess" in mask.fired_checks else [])

    job = partial(
        _segment_slice, model, workers.open_image if workers is not None else lambda: image
    )
    token = token or CancelToken()
    yield from iter_slices(job, image, range(image.n_slices), take, token, workers)
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
    model: ModelFolder, open_image: Callable[[], RetinaImage], item: SliceItem, token: CancelToken
) -> Generator[Progress, None, Segmentation | ImageError]:
    """Return the mask of a slice, or why there is nothing to see in it."""
    yield from ()  # the steps within a slice are not shown
    try:
        return finish(iter_segment(open_image(), model, index=item.index, token=token))
    except UnfitImageError:
        raise
    except ImageError as error:
        return error
