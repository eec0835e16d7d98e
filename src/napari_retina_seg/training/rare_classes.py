"""Say which classes too few patients show for a network to learn them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.types.labels import LabelScheme

_FEW = 10  # patients
_SHARE = 0.2  # of the patients with the commonest class; where all classes are rare none stands out


def describe_rare_classes(
    samples: Sequence[Sample], patients: Sequence[str], scheme: LabelScheme
) -> str:
    """Return a sentence on the classes that few patients show; empty if there are none.

    Parameters
    ----------
    samples : sequence of Sample
        The images that are learnt from.
    patients : sequence of str
        The patient of each.
    scheme : LabelScheme
        The classes of the masks.

    Returns
    -------
    str
        Names the classes that fewer than ten patients show and fewer than a fifth of those with
        the commonest class, with the number of patients.
    """
    showing: dict[int, set[str]] = {label.value: set() for label in scheme.classes[1:]}
    for sample, patient in zip(samples, patients, strict=True):
        for value in np.unique(np.ceil(sample.target)).astype(int):
            if value in showing:
                showing[value].add(patient)
    numbers = {value: len(found) for value, found in showing.items()}
    most = max(numbers.values())
    rare = [
        f"{label.abbreviation} ({numbers[label.value]})"
        for label in scheme.classes[1:]
        if numbers[label.value] < min(_FEW, _SHARE * most)
    ]
    if not rare:
        return ""
    return (
        f"Of {len(set(patients))} patients too few show {', '.join(rare)}: the model will mostly"
        " miss these."
    )
