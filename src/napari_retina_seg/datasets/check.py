"""Check training data: contents, distribution and problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from napari_retina_seg.datasets.alignment import ComparedImage, make_pattern
from napari_retina_seg.datasets.binary_masks import read_as_binary
from napari_retina_seg.datasets.checked import CheckedImage, DatasetCheck
from napari_retina_seg.datasets.examine import examine, read_filled
from napari_retina_seg.datasets.findings import FindingKind
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import ReadOptions, read_data
from napari_retina_seg.datasets.leaks import Fingerprint, fingerprint, iter_copies
from napari_retina_seg.datasets.misfits import MisfitFinder
from napari_retina_seg.datasets.problems import find_problems
from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.io.schemes import find_scheme
from napari_retina_seg.types.batches import Mapper, Outcome, iter_in_turn
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import (
    FUNDUS_VESSELS,
    OCT_LAYERS,
    LabelScheme,
)
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish

_GLANCES = 5  # images from which the modality of all is guessed


def _usual_scheme(images: Sequence[LabelledImage], modality: Modality) -> LabelScheme:
    """Return the classes of most masks, or those to be expected where no data set says so."""
    kinds = (modality, Modality.UNKNOWN)  # of an exported folder only the classes are known
    stated = [one for one in images if one.scheme and one.modality in kinds]
    if stated:
        commonest = Counter(one.scheme for one in stated).most_common(1)[0][0]
        first = next(one for one in stated if one.scheme == commonest)
        return first.own_scheme or find_scheme(commonest or "")
    return FUNDUS_VESSELS if modality is Modality.FUNDUS else OCT_LAYERS


def check_dataset(
    data: PathsLike,
    scheme: LabelScheme | str | None = None,
    *,
    options: ReadOptions | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> DatasetCheck:
    """Read every image of data sets, and find problems for a training.

    Parameters
    ----------
    data : str, Path, or sequence of them
        Data sets, or folders of data sets.
    scheme : LabelScheme or str, optional
        The classes that their masks may hold, or a TOML file with them; by default those of most
        data sets, or those usual for what most images are.
    options : ReadOptions, optional
        Patients of the images, and the meaning of other mask values.
    progress : callable, optional
        Called with a `Progress` before each image.
    cancel : CancelToken, optional
        Stops it before the next image.

    Returns
    -------
    DatasetCheck
        Its `findings` say what is wrong, the serious ones first; every image is summarised.

    Raises
    ------
    DataError
        If there is no data set.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> check = rs.check_dataset("my-data")
    >>> len(check.images)
    3
    >>> [finding.kind.value for finding in check.findings]
    ['patients not known']
    """
    classes = None if scheme is None else find_scheme(scheme)
    images = read_data(as_paths(data), options=options)
    return finish(iter_check_dataset(images, classes, cancel), progress)


def iter_check_dataset(
    images: Sequence[LabelledImage],
    scheme: LabelScheme | None = None,
    token: CancelToken | None = None,
    mapper: Mapper = iter_in_turn,
) -> Generator[Progress, None, DatasetCheck]:
    """Check data sets step by step; see `check_dataset`. A `mapper` says where they are read."""
    token = token or CancelToken()
    modality = _commonest_modality(images)
    scheme = scheme or _usual_scheme(images, modality)
    images, _ = read_as_binary(images, scheme)
    checked: list[CheckedImage] = []
    prints: list[Fingerprint | None] = []
    finder = MisfitFinder(scheme, modality)

    def add(outcome: Outcome[LabelledImage, _Summary]) -> None:
        summary = outcome.get()
        prints.append(summary.fingerprint)
        if summary.pattern is not None:
            finder.add(len(checked), summary.pattern)
        checked.append(replace(summary.checked, image=outcome.item))

    for step in mapper(partial(_summarise, scheme, modality), images, add, token):
        yield Progress(step.done, len(images), step.message)
    for place, finding in finder.finish(images).items():
        known = checked[place]
        checked[place] = replace(known, findings=(*known.findings, finding))
    copies = yield from iter_copies(images, prints, token)
    check = DatasetCheck(scheme, modality, tuple(checked), copies)
    return replace(check, findings=find_problems(check))


class _Summary(NamedTuple):
    """What is kept of an image."""

    checked: CheckedImage
    fingerprint: Fingerprint | None
    pattern: ComparedImage | None


def _summarise(
    scheme: LabelScheme, modality: Modality, image: LabelledImage, _: CancelToken
) -> Generator[Progress, None, _Summary]:
    yield Progress(0, 1, image.name)
    examination = examine(image, scheme, modality)
    seen = None if examination.has(FindingKind.BLANK) else examination.pixels
    pattern = None
    if seen is not None and examination.labels is not None:
        pattern = make_pattern(seen, examination.labels, examination.valid)
    known = None if seen is None else fingerprint(seen)
    return _Summary(CheckedImage.of(examination), known, pattern)


def _commonest_modality(images: Sequence[LabelledImage]) -> Modality:
    """Return the modality of most images; guessed from a few if no layout states it."""
    stated = Counter(one.modality for one in images if one.modality is not Modality.UNKNOWN)
    if not stated:
        few = images[:: max(1, len(images) // _GLANCES)]
        looks = [_glance(image) for image in few]
        stated = Counter(look for look in looks if look is not Modality.UNKNOWN)
    return stated.most_common(1)[0][0] if stated else Modality.UNKNOWN


def _glance(image: LabelledImage) -> Modality:
    try:
        return guess_modality(read_filled(image, Modality.UNKNOWN)[0])
    except (RetinaSegError, OSError):
        return Modality.UNKNOWN
