"""Work on the slices of a volume, in this process or on workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from napari_retina_seg.types.batches import ItemJob, Mapper, Outcome
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress

Result = TypeVar("Result")


@dataclass(frozen=True)
class SliceItem:
    """A slice of an image: its index, and what it is called."""

    index: int
    name: str


class ImageOpener:
    """Opens an image once in each thread: lazy pixels may not be read by several at a time.

    Parameters
    ----------
    open_image : callable
        Returns the image; it is pickled.
    """

    def __init__(self, open_image: Callable[[], RetinaImage]) -> None:
        self._open = open_image
        self._images: dict[int, RetinaImage] = {}

    def __call__(self) -> RetinaImage:
        """Return the image."""
        thread = threading.get_ident()
        if thread not in self._images:
            self._images[thread] = self._open()
        return self._images[thread]


@dataclass(frozen=True)
class SliceWorkers:
    """Workers that share the slices of a volume.

    Attributes
    ----------
    mapper : Mapper
        Hands out results in the order of the slices.
    open_image : ImageOpener
        Opens the volume there.
    """

    mapper: Mapper
    open_image: ImageOpener


def iter_slices(
    job: ItemJob[SliceItem, Result],
    image: RetinaImage,
    indices: Sequence[int],
    receive: Callable[[SliceItem, Result], None],
    token: CancelToken,
    workers: SliceWorkers | None,
) -> Generator[Progress, None, None]:
    """Work on slices one after another, or on workers.

    Parameters
    ----------
    job : callable
        Works on one slice; with workers it is pickled, and must not hold the image.
    image : RetinaImage
        The image or volume.
    indices : sequence of int
        Its slices.
    receive : callable
        Called with each slice and its result, in order.
    token : CancelToken
        Stops the work before the next slice or tile.
    workers : SliceWorkers or None
        Where; None for this process.

    Yields
    ------
    Progress
        Before each slice and tile; with workers after each slice.
    """
    items = [SliceItem(index, f"{image.name}, slice {index + 1}") for index in indices]

    def step(done: int) -> Progress:
        number = done + 1 if workers is None else done  # the one in work, or those that are done
        text = f"{number} of {len(items)} slices" if image.is_volume else image.name
        return Progress(done, len(items), text)

    if workers is None:
        for done, item in enumerate(items):
            yield step(done)
            token.raise_if_cancelled()
            receive(item, (yield from job(item, token)))
        return

    def take(outcome: Outcome[SliceItem, Result]) -> None:
        receive(outcome.item, outcome.get())

    yield step(0)
    for found in workers.mapper(job, items, take, token):
        yield step(found.done)
