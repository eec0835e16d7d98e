"""Notice images of another kind than those that a project is for."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCT_LESIONS, LabelScheme

_NAMED = 3
_KINDS = {
    Modality.OCT: ("an OCT scan", "OCT scans"),
    Modality.FUNDUS: ("a fundus photograph", "fundus photographs"),
}


def describe_misfits(scheme: LabelScheme, images: Sequence[ProjectImage]) -> str:
    """Warn of images whose modality does not fit the classes of a project.

    Parameters
    ----------
    scheme : LabelScheme
        The classes.
    images : sequence of ProjectImage
        New images.

    Returns
    -------
    str
        A sentence, or nothing if all fit, or the classes are of no certain kind of image.
    """
    wanted = Modality.FUNDUS if scheme == FUNDUS_VESSELS else Modality.OCT
    known = (wanted, Modality.UNKNOWN)
    other = [f"'{image.name}'" for image in images if image.modality not in known]
    if scheme not in (OCT_LAYERS, OCT_LESIONS, FUNDUS_VESSELS) or not other:
        return ""
    one, many = _KINDS[Modality.FUNDUS if wanted is Modality.OCT else Modality.OCT]
    looks = f"it looks like {one}" if len(other) == 1 else f"they look like {many}"
    more = f", and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
    names = ", ".join(other[:_NAMED]) + more
    return (
        f"Check {names}: {looks}, and this project is for {_KINDS[wanted][1]}. Remove what does not"
        " belong here, or correct the kind of image."
    )
