"""Say which classes too few patients show for a network to learn them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.labels import LabelScheme

_LEAST = 3  # patients; of fewer nothing general can be learnt
_FEW = 10
_SHARE = 0.2  # of the patients with the commonest class; where all classes are rare none stands out


def describe_rare_classes(
    samples: Sequence[Sample],
    images: Sequence[LabelledImage],
    scheme: LabelScheme,
    *,
    is_tuned: bool = False,
) -> str:
    """Return a sentence on the classes that few patients show; empty if there are none.

    Parameters
    ----------
    samples, images : sequence
        The images that are learnt from, prepared, and whose they are.
    scheme : LabelScheme
        The classes of the masks.
    is_tuned : bool
        Whether the network has learnt these classes before, from other images.

    Returns
    -------
    str
        Names the classes that fewer patients show than the commonest class and fewer than three,
        or fewer than ten and a fifth of those with the commonest class. Where patients are not
        known, images are counted.
    """
    is_guessed = any(image.group_guessed for image in images)
    shown: dict[int, set[str]] = {label.value: set() for label in scheme.classes[1:]}
    owners = [image.full_name if is_guessed else image.full_group for image in images]
    for sample, owner in zip(samples, owners, strict=True):
        for value in np.unique(np.ceil(sample.target)).astype(int):
            if value in shown:
                shown[value].add(owner)
    numbers = {value: len(found) for value, found in shown.items()}
    most = max(numbers.values())
    limit = min(most, max(_LEAST, min(_FEW, _SHARE * most)))
    rare = [
        f"{label.abbreviation} ({numbers[label.value]})"
        for label in scheme.classes[1:]
        if numbers[label.value] < limit
    ]
    if not rare:
        return ""
    unit = "images" if is_guessed else "patients"
    advice = "look at these before you use it" if is_tuned else "the model will mostly miss these"
    learnt = "was fine-tuned on" if is_tuned else "learnt from"
    return f"Of the {len(set(owners))} {unit} it {learnt}, few show {', '.join(rare)}: {advice}."
