"""The layers of a scheme and the standard totals over them, with their DICOM codes."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retina_seg.types.labels import LabelScheme, Surface

_ILM = "SCT:280677004"
# DICOM PS3.16: surfaces of CID 4273, thicknesses of CID 4262.
_RNFL = ("DCM:128289", "DCM:111925")
_TOTALS = (
    ("DCM:128291", "DCM:111926", "Ganglion cell complex, ILM to IPL–INL", "GCC"),
    ("DCM:128295", "DCM:111927", "Total retina, ILM to IS/OS", "ILM–IS/OS"),
    ("DCM:128297", "DCM:111928", "Total retina, ILM to RPE", "ILM–RPE"),
    ("DCM:128300", "DCM:111929", "Total retina, ILM to BM", "ILM–BM"),
)
_ANTERIOR_RPE = "EZ-RPE"  # a surface between two bands, for which CID 4273 has no code


@dataclass(frozen=True)
class Band:
    """What lies between two surfaces: a layer, or a total of several.

    Attributes
    ----------
    name, abbreviation : str
        Of the layer or total; a total says from where to where.
    upper, lower : int
        Its surfaces, as indices of the scheme's; it is made of the classes ``upper + 1`` to
        ``lower``.
    between : str
        Names of the two surfaces.
    code : str or None
        ``DCM:…`` of the thickness in CID 4262, where there is one.
    is_total : bool
        Whether it is a standard total and no single layer.
    """

    name: str
    abbreviation: str
    upper: int
    lower: int
    between: str
    code: str | None = None
    is_total: bool = False


def find_bands(scheme: LabelScheme) -> tuple[Band, ...]:
    """Return all layers of a scheme from the vitreous outwards, then its standard totals.

    Parameters
    ----------
    scheme : LabelScheme
        One with surfaces; one without has no bands.

    Examples
    --------
    >>> from napari_retina_seg.types.labels import OCT_LAYERS
    >>> [band.abbreviation for band in find_bands(OCT_LAYERS) if band.is_total]
    ['GCC', 'ILM–IS/OS', 'ILM–RPE', 'ILM–BM']
    """
    surfaces = scheme.surfaces
    if not surfaces:
        return ()
    starts_at_ilm = surfaces[0].code == _ILM
    layers = []
    for label in scheme.classes[1:]:
        upper, lower = label.value - 1, label.value
        is_rnfl = starts_at_ilm and upper == 0 and surfaces[lower].code == _RNFL[0]
        between = f"{surfaces[upper].name} to {surfaces[lower].name}"
        code = _RNFL[1] if is_rnfl else None
        layers.append(Band(label.name, label.abbreviation, upper, lower, between, code))
    return (*layers, *(_totals(surfaces) if starts_at_ilm else ()))


def _totals(surfaces: tuple[Surface, ...]) -> list[Band]:
    found = []
    for ends_at, code, name, abbreviation in _TOTALS:
        for index, surface in enumerate(surfaces):
            if index and ends_at == _code(surface):
                between = f"{surfaces[0].name} to {surface.name}"
                found.append(Band(name, abbreviation, 0, index, between, code, is_total=True))
    return found


def _code(surface: Surface) -> str | None:
    return "DCM:128297" if surface.name == _ANTERIOR_RPE else surface.code
