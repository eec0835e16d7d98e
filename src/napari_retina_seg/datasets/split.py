"""Divide images into training, validation and test by patient and eye, never by image."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.splits import SplitName

_Groups = dict[str, tuple[LabelledImage, ...]]


@dataclass(frozen=True)
class Split:
    """Training, validation and test images, each sorted by name.

    Raises
    ------
    DataError
        If a group is on two sides.
    """

    training: tuple[LabelledImage, ...]
    validation: tuple[LabelledImage, ...]
    test: tuple[LabelledImage, ...]

    def __post_init__(self) -> None:
        _check_sides((image, side) for side, images in self.sides.items() for image in images)

    @property
    def sides(self) -> dict[SplitName, tuple[LabelledImage, ...]]:
        """The images of each split."""
        return {"train": self.training, "val": self.validation, "test": self.test}


def split_images(
    images: Iterable[LabelledImage],
    *,
    seed: int,
    validation_groups: Collection[str] = (),
    share: float = 0.2,
) -> Split:
    """Divide images into training, validation and test; all of a group go to one split.

    A data set's own split is kept. Of a data set without one, `share` of the groups goes to
    validation, and likewise of the training groups of each data set if nothing else does.
    The outcome depends on the seed and the names alone, and for one data set not on the others.

    Parameters
    ----------
    images : iterable of LabelledImage
        In any order.
    seed : int
        Of the random choice.
    validation_groups : collection of str
        ``dataset/group`` to validate with instead of training; of their data sets nothing else is
        chosen at random.
    share : float
        Share of the groups that goes to validation: at least one, if there are two.

    Raises
    ------
    DataError
        If a data set's own split has a group on two sides, `validation_groups` are not there or
        are for test, or there are too few groups to validate with one.
    """
    groups = _by_group(images)
    sides = _own_sides(groups)
    unsplit = {group for group in groups if group not in sides}
    _check_named(validation_groups, groups, sides)
    named = {_dataset(groups, group) for group in validation_groups}
    sides.update(dict.fromkeys(unsplit, "train"))
    sides.update(dict.fromkeys(validation_groups, "val"))
    free = [group for group in unsplit if _dataset(groups, group) not in named]
    sides.update(dict.fromkeys(_choose(groups, free, seed, share), "val"))
    if "val" not in sides.values():
        training = [group for group, side in sides.items() if side == "train"]
        sides.update(dict.fromkeys(_choose(groups, training, seed, share), "val"))
        if training and "val" not in sides.values():
            raise DataError(
                f"There is nothing to validate with: '{training[0]}' is the only group to learn"
                " from. Add another patient, or say which images belong to which."
            )
    return _make(groups, sides)


def _by_group(images: Iterable[LabelledImage]) -> _Groups:
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in sorted(images, key=lambda image: (image.dataset, image.name)):
        groups[image.full_group].append(image)
    return {group: tuple(members) for group, members in groups.items()}


def _dataset(groups: _Groups, group: str) -> str:
    return groups[group][0].dataset


def _own_sides(groups: _Groups) -> dict[str, SplitName]:
    return _check_sides(
        (image, image.split) for images in groups.values() for image in images if image.split
    )


def _check_sides(
    images: Iterable[tuple[LabelledImage, SplitName]],
) -> dict[str, SplitName]:
    """Return the split of each group, or raise `DataError` if it is in two."""
    sides: dict[str, SplitName] = {}
    for image, side in images:
        other = sides.setdefault(image.full_group, side)
        if other != side:
            raise DataError(
                f"The group '{image.full_group}' is in '{other}' and in '{side}': a patient's"
                " images must stay in one split, so correct the split or the groups."
            )
    return sides


def _check_named(names: Collection[str], groups: _Groups, sides: Mapping[str, SplitName]) -> None:
    unknown = sorted(set(names) - set(groups))
    if unknown:
        raise DataError(
            f"The validation groups {', '.join(unknown)} are not in the data: it has"
            f" {', '.join(sorted(groups)[:10])}{', …' if len(groups) > 10 else ''}."
        )
    test = sorted(name for name in names if sides.get(name) == "test")
    if test:
        raise DataError(f"{', '.join(test)} can't be for validation: the data keep it for test.")


def _choose(groups: _Groups, among: Iterable[str], seed: int, share: float) -> list[str]:
    """Choose `share` of the groups of each data set."""
    by_dataset: dict[str, list[str]] = defaultdict(list)
    for group in sorted(among):
        by_dataset[_dataset(groups, group)].append(group)
    chosen = []
    for dataset, names in by_dataset.items():
        rng = np.random.default_rng([seed, zlib.crc32(dataset.encode())])
        count = min(max(1, math.floor(share * len(names) + 0.5)), len(names) - 1)
        chosen += [names[i] for i in rng.permutation(len(names))[:count]]
    return chosen


def _make(groups: _Groups, sides: Mapping[str, SplitName]) -> Split:
    def of(side: SplitName) -> tuple[LabelledImage, ...]:
        return tuple(image for group in groups if sides[group] == side for image in groups[group])

    return Split(of("train"), of("val"), of("test"))


class _SplitFile(BaseModel):
    """``dataset/group`` and the names of its images, for each split."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    train: dict[str, tuple[str, ...]]
    val: dict[str, tuple[str, ...]]
    test: dict[str, tuple[str, ...]]


def split_json(split: Split) -> str:
    """Return the split as JSON."""
    sides = {
        side: {group: [image.name for image in members] for group, members in groups.items()}
        for side, groups in ((side, _by_group(images)) for side, images in split.sides.items())
    }
    return json.dumps({"schema_version": 1, **sides}, indent=1, ensure_ascii=False) + "\n"


def read_split(path: Path, images: Iterable[LabelledImage]) -> Split:
    """Read a split from JSON, as `split_json` returns it.

    Parameters
    ----------
    path : Path
        The file.
    images : iterable of LabelledImage
        Those that were divided, in any order; others are left out, and the groups are the file's.

    Raises
    ------
    DataError
        If it can't be read, or one of its images is not there.
    """
    try:
        stored = _SplitFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"The split '{path}' can't be read: create the split again.") from error
    found = {(image.dataset, image.name): image for image in images}
    sides: dict[SplitName, list[LabelledImage]] = {"train": [], "val": [], "test": []}
    for side, groups in (("train", stored.train), ("val", stored.val), ("test", stored.test)):
        for full_group, names in groups.items():
            dataset, _, group = composed(full_group).partition("/")
            for name in map(composed, names):
                if (dataset, name) not in found:
                    raise DataError(
                        f"The split '{path}' was made for other images: it names '{name}' of"
                        f" '{dataset}', which is not there. Bring it back, or create the split"
                        " again."
                    )
                sides[side].append(_in_group(found[dataset, name], group))  # type: ignore[index]
    return Split(*(tuple(members) for members in sides.values()))


def _in_group(image: LabelledImage, group: str) -> LabelledImage:
    guessed = image.group_guessed and group == image.group
    return replace(image, group=group, group_guessed=guessed)


def ungrouped_warning(images: Iterable[LabelledImage]) -> str | None:
    """Return a warning on data sets split by image because their patients are unknown.

    Parameters
    ----------
    images : iterable of LabelledImage
        All images of the data.

    Returns
    -------
    str or None
        A sentence with the way out; None if all patients are known.
    """
    guessed = Counter(image.dataset for image in images if image.group_guessed)
    names = [f"'{name}'" for name, count in guessed.items() if count > 1]
    if not names:
        return None
    return (
        f"Each image of {' and '.join(names)} is taken for a patient of its own: if that is not so,"
        " say who is who with --group-pattern or --groups."
    )
