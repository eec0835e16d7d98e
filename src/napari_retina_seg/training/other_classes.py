"""Which classes of a scheme a model draws already, when it learns to draw others."""

from __future__ import annotations

from napari_retina_seg.io.formats.named import find_value
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.types.labels import LabelClass, LabelScheme


def match_classes(scheme: LabelScheme, drawn: LabelScheme) -> dict[int, int]:
    """Find the classes of a scheme among those that a model draws.

    Parameters
    ----------
    scheme : LabelScheme
        What is to be learnt.
    drawn : LabelScheme
        What the model draws.

    Returns
    -------
    dict
        By value in `scheme` the value in `drawn`, of background and of all classes that are the
        same by their name, a usual other name of it, or their code in DICOM or SNOMED CT.

    Examples
    --------
    >>> from napari_retina_seg.types.labels import DUKE_LAYERS, OCT_LAYERS
    >>> match_classes(DUKE_LAYERS, OCT_LAYERS)
    {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}
    """
    found = {one.value: _same(one, drawn) for one in scheme.classes[1:]}
    return {0: 0, **{value: same for value, same in found.items() if same}}


def _same(wanted: LabelClass, drawn: LabelScheme) -> int | None:
    by_name = find_value(wanted.name, drawn)
    if by_name is not None and by_name < len(drawn):
        return by_name
    coded = [one.value for one in drawn.classes[1:] if wanted.code and one.code == wanted.code]
    return coded[0] if len(coded) == 1 else None


def describe_other_classes(scheme: LabelScheme, start: StartingPoint | None) -> str:
    """Say which classes go on and which are new; empty if the model draws the same ones.

    Parameters
    ----------
    scheme : LabelScheme
        What is to be learnt.
    start : StartingPoint or None
        What the training begins with.
    """
    if start is None or start.model is None or start.model.spec.scheme.names == scheme.names:
        return ""
    drawn = start.model.spec.scheme
    matches = match_classes(scheme, drawn)
    kept = [one.abbreviation for one in scheme.classes[1:] if one.value in matches]
    new = [one.abbreviation for one in scheme.classes[1:] if one.value not in matches]
    lost = [one.abbreviation for one in drawn.classes[1:] if one.value not in matches.values()]
    parts = (
        f"what it knows of {', '.join(kept)} is kept" if kept else "it knows none of the classes",
        f"{', '.join(new)} is learnt from the beginning" if len(new) == 1 else "",
        f"{', '.join(new)} are learnt from the beginning" if len(new) > 1 else "",
        f"{', '.join(lost)} is no longer drawn" if len(lost) == 1 else "",
        f"{', '.join(lost)} are no longer drawn" if len(lost) > 1 else "",
    )
    return (
        f"'{start.model.name}' draws the classes of '{drawn.name}', and the training is for those"
        f" of '{scheme.name}': {'; '.join(filter(None, parts))}."
    )
