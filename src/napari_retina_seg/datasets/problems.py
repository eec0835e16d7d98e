"""Findings of a whole data set, alike ones in one sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from napari_retina_seg.datasets.checked import UNDIVIDED, CheckedImage, DatasetCheck
from napari_retina_seg.datasets.findings import (
    KINDS,
    Finding,
    FindingKind,
    advise,
    advise_scheme,
    describe_values,
    locate,
)
from napari_retina_seg.datasets.layouts.layout import SPLIT_NAMES
from napari_retina_seg.datasets.leaks import Copy, Relation
from napari_retina_seg.datasets.split import ungrouped_warning

# Faults of one image that are reported image by image; the others data set by data set.
_SINGLE = (
    FindingKind.UNREADABLE,
    FindingKind.BLANK,
    FindingKind.NO_MASK,
    FindingKind.SIZE,
    FindingKind.HEIGHTS,
    FindingKind.FIELD,
)
_MISFITS = (FindingKind.OTHER_MASK, FindingKind.SHIFTED, FindingKind.TURNED, FindingKind.INVERTED)
_EYES = frozenset({"l", "r", "left", "right", "od", "os"})
_FEW = 3  # masks of a data set that are listed one by one
_MANY = 8  # values that are no class, from which on masks are listed together


def find_problems(check: DatasetCheck) -> tuple[Finding, ...]:
    """List the problems of data, the serious ones first."""
    found = [
        *_too_few(check),
        *(finding for kind in _SINGLE for finding in _each(check.images, kind)),
        *_of_modality(check),
        *_of_schemes(check),
        *_of_values(check),
        *_of_empty_masks(check),
        *_of_misfits(check),
        *_of_splits(check),
        *_of_names(check),
        *_of_copies(check),
        *_of_classes(check),
        *_of_guessed_groups(check),
    ]
    return tuple(sorted(found, key=lambda finding: not finding.serious))


def _names(images: Iterable[CheckedImage]) -> tuple[str, ...]:
    return tuple(checked.image.full_name for checked in images)


def _too_few(check: DatasetCheck) -> Iterator[Finding]:
    groups = {checked.image.full_group for checked in check.images}
    if len(check.images) == 1:
        yield Finding(
            FindingKind.TOO_FEW_IMAGES,
            f"{locate(check.images[0].image)} is the only image: a training needs at least one to"
            " learn from and one of another patient to validate on.",
            _names(check.images),
        )
    elif len(groups) == 1 and check.splits == (UNDIVIDED,):
        yield Finding(
            FindingKind.TOO_FEW_GROUPS,
            f"All {len(check.images)} images belong to the group '{groups.pop()}', so none of"
            " another patient is left to validate on: add data, or say with --group-pattern or"
            " --groups who is who.",
            _names(check.images),
        )


def _each(images: Iterable[CheckedImage], kind: FindingKind) -> Iterator[Finding]:
    """Report the images one by one."""
    for checked in images:
        yield from (finding for finding in checked.findings if finding.kind is kind)


def _of_modality(check: DatasetCheck) -> Iterator[Finding]:
    for name, images in check.datasets.items():
        odd = [checked for checked in images if FindingKind.MODALITY in checked.kinds]
        if len(odd) > 1 and len(odd) == sum(checked.shape is not None for checked in images):
            yield Finding(
                FindingKind.MODALITY,
                f"All {len(odd)} images of '{name}' look like {KINDS[odd[0].modality]}, most others"
                f" like {KINDS[check.modality]}: check and train on them by themselves.",
                _names(odd),
            )
        else:
            yield from _each(odd, FindingKind.MODALITY)


def _of_schemes(check: DatasetCheck) -> Iterator[Finding]:
    for name, images in check.datasets.items():
        others = [checked for checked in images if FindingKind.SCHEME in checked.kinds]
        if others:
            first = others[0].image
            yield Finding(
                FindingKind.SCHEME,
                f"The masks of '{name}' hold the classes of '{first.scheme}', not those of"
                f" '{check.scheme.name}': {advise_scheme(first)}.",
                _names(others),
            )


def _of_values(check: DatasetCheck) -> Iterator[Finding]:
    """Report masks with the same unknown values together; smoothed masks have many."""
    classes = len(check.scheme)
    alike: dict[tuple[str, frozenset[int]], list[CheckedImage]] = defaultdict(list)
    for checked in check.images:
        unknown = frozenset(value for value in checked.areas or () if value >= classes)
        if unknown and FindingKind.SCHEME not in checked.kinds:
            few = unknown if len(unknown) <= _MANY else frozenset[int]()
            alike[checked.image.dataset, few].append(checked)
    for images in alike.values():
        values = {value for checked in images for value in checked.areas or ()}
        unknown = frozenset(value for value in values if value >= classes)
        yield Finding(
            FindingKind.VALUES,
            f"{_masks(images)} {describe_values(unknown)}, which '{check.scheme.name}' has no"
            f" class for: {advise(values, check.scheme)}.",
            _names(images),
        )


def _masks(images: list[CheckedImage]) -> str:
    if len(images) == 1:
        return f"The mask of {locate(images[0].image)} holds"
    return f"{len(images)} masks, first that of {locate(images[0].image)}, hold"


def _of_empty_masks(check: DatasetCheck) -> Iterator[Finding]:
    empty = [checked for checked in check.images if FindingKind.EMPTY in checked.kinds]
    with_mask = [checked for checked in check.images if checked.areas is not None]
    if len(empty) == len(with_mask) > 1:
        yield Finding(
            FindingKind.EMPTY,
            f"All {len(empty)} masks are background only, first that of {locate(empty[0].image)}:"
            " there is nothing to learn, so check that these are the masks.",
            _names(empty),
        )
        return
    yield from _each(empty, FindingKind.EMPTY)


def _of_misfits(check: DatasetCheck) -> Iterator[Finding]:
    """Report many masks of a data set with the same fault in one sentence."""
    for images in check.datasets.values():
        for kind in _MISFITS:
            wrong = [checked for checked in images if kind in checked.kinds]
            if len(wrong) <= _FEW:
                yield from _each(wrong, kind)
                continue
            first = next(one.sentence for one in wrong[0].findings if one.kind is kind)
            yield Finding(
                kind,
                f"This is so for {len(wrong)} of {len(images)} masks of"
                f" '{wrong[0].image.dataset}', first: {first}",
                _names(wrong),
            )


def _of_splits(check: DatasetCheck) -> Iterator[Finding]:
    members: dict[str, list[CheckedImage]] = defaultdict(list)
    for checked in check.images:
        members[checked.image.full_group].append(checked)
    for group, images in members.items():
        splits = [split for split in check.splits if split in {one.split for one in images}]
        if len(splits) > 1:
            first = [next(one for one in images if one.split == split) for split in splits]
            shown = " and ".join(f"'{one.image.name}' in {one.split}" for one in first)
            yield Finding(
                FindingKind.SPLIT_GROUP,
                f"The group '{group}' has {shown}: put all images of a patient into one split.",
                _names(images),
            )
    if not {"train", UNDIVIDED} & set(check.splits):
        yield Finding(
            FindingKind.NO_TRAINING_DATA,
            f"All images are in {' and '.join(check.splits)}: put some groups into train.",
            _names(check.images),
        )


def _of_names(check: DatasetCheck) -> Iterator[Finding]:
    """Report images in two splits whose names suggest one patient, if patients are unknown."""
    members: dict[tuple[str, str], list[CheckedImage]] = defaultdict(list)
    for checked in check.images:
        patient = _patient_in(checked.image.name)
        if checked.image.group_guessed and patient:
            members[checked.image.dataset, patient].append(checked)
    patients = {dataset: 0 for dataset, _ in members}
    for dataset, _ in members:
        patients[dataset] += 1
    for (dataset, patient), images in members.items():
        by_split = {one.split: one for one in images}
        if len(by_split) > 1 and patients[dataset] > 1:
            shown = " and ".join(
                f"'{one.image.name}' in {split}" for split, one in by_split.items()
            )
            yield Finding(
                FindingKind.SPLIT_PATIENT,
                f"By their names, {shown} of '{dataset}' are of one patient ('{patient}'): put all"
                " of a patient into one split, or say with --group-pattern or --groups who is who.",
                _names(images),
            )


def _patient_in(name: str) -> str:
    """Return the patient's part of a name, without eye and number; empty if there is none."""
    apart = re.sub(r"(?<=\d)(?=(?:l|r|od|os)$)", "_", name.casefold())  # 01L
    parts = [word for word in re.split(r"[ ._-]+", apart) if word]
    if parts and parts[0] in SPLIT_NAMES:  # put before names that two splits share
        parts = parts[1:]
    sides = [word for word in parts if word in _EYES]
    rest = [word for word in parts if word not in _EYES]
    if not sides and len(rest) > 1 and rest[-1].isdigit():
        rest = rest[:-1]
    elif not sides:
        return ""
    return "_".join(rest) if any(sign.isdigit() for sign in "".join(rest)) else ""


def _of_copies(check: DatasetCheck) -> Iterator[Finding]:
    """Report the copies that two groups share in one sentence, the worst first."""
    alike: dict[tuple[Relation, str, str], list[Copy]] = defaultdict(list)
    for copy in check.copies:
        pair = (check.images[k].image.full_group for k in (copy.first, copy.second))
        one, other = sorted(pair)
        alike[copy.relation, one, other].append(copy)
    for (relation, one, other), copies in sorted(alike.items(), key=lambda item: -item[0][0]):
        first, second = (check.images[k] for k in (copies[0].first, copies[0].second))
        places = {place for copy in copies for place in (copy.first, copy.second)}
        kind, consequence = _CONSEQUENCES[relation]
        more = ""
        if len(copies) > 1:
            where = "this group" if one == other else "their groups"
            more = f", as are {len(copies) - 1} more of {where}"
        yield Finding(
            kind,
            f"{_place(first)} and {_place(second)} {_describe(copies[0])}{more}: {consequence}.",
            _names(check.images[place] for place in sorted(places)),
            serious=relation >= Relation.UNDIVIDED_GROUPS,
        )


_CONSEQUENCES = {
    Relation.OTHER_SPLIT: (
        FindingKind.LEAK,
        "what is measured on such a copy proves nothing, so take one of the two out or put their"
        " groups into one split",
    ),
    Relation.UNDIVIDED_GROUPS: (
        FindingKind.COPIES_ACROSS_GROUPS,
        "one may be learnt from and the other tested on, so give them one group with --groups or"
        " take one out",
    ),
    Relation.OTHER_GROUP: (
        FindingKind.COPIES_IN_SPLIT,
        "they are on one side, so no test is spoilt, but they count twice",
    ),
    Relation.SAME_GROUP: (
        FindingKind.COPIES_IN_GROUP,
        "they count twice, so keep one unless it was labelled twice on purpose",
    ),
}


def _describe(copy: Copy) -> str:
    """Describe the similarity of two images."""
    if copy.identical:
        return "are identical"
    turned = f", one of them {copy.turn}" if copy.turn else ""
    return f"are nearly identical (correlation {copy.similarity:.3f}{turned})"


def _place(checked: CheckedImage) -> str:
    split = "" if checked.image.split is None else f", {checked.split}"
    return f"'{checked.image.full_name}' (group {checked.image.group}{split})"


def _of_classes(check: DatasetCheck) -> Iterator[Finding]:
    drawn = {split: check.areas(split) > 0 for split in check.splits}
    if not any(areas[1:].any() for areas in drawn.values()):
        return  # reported already: no mask can be read, or all are empty
    learnt = [drawn[split] for split in ("train", UNDIVIDED) if split in drawn]
    for label in check.scheme.classes:
        where = [split for split, areas in drawn.items() if areas[label.value]]
        if not where:
            yield Finding(
                FindingKind.NO_MASK_OF_CLASS,
                f"No mask holds {label.name} (value {label.value}): a network trained on this"
                " will not find it.",
                (),
                serious=False,
            )
        elif learnt and not any(areas[label.value] for areas in learnt):
            yield Finding(
                FindingKind.NO_TRAINING_MASK_OF_CLASS,
                f"{label.name} (value {label.value}) is in masks of {' and '.join(where)} but of"
                " no training image: create the split again.",
                (),
            )


def _of_guessed_groups(check: DatasetCheck) -> Iterator[Finding]:
    message = ungrouped_warning(checked.image for checked in check.images)
    if message:
        guessed = (checked for checked in check.images if checked.image.group_guessed)
        yield Finding(FindingKind.UNKNOWN_PATIENTS, message, _names(guessed), serious=False)
