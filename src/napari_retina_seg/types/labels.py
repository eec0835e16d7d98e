"""Label schemes: meaning, name and colour of each mask value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.file_names import name_key


@dataclass(frozen=True)
class LabelClass:
    """One class of a mask.

    Attributes
    ----------
    value : int
        Mask value, 0 to 255; 0 is background.
    name, abbreviation : str
        The field's terms (IN·OCT, APOSTEL 2.0).
    color : str
        ``#rrggbb``.
    order : int or None
        Place from the vitreous outwards; None where depth has no meaning.
    code : str or None
        ``scheme:code`` of the structure in DICOM or SNOMED CT, where there is one.
    """

    value: int
    name: str
    abbreviation: str
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    order: int | None = None
    code: str | None = None

    @property
    def title(self) -> str:
        """Abbreviation and name, or one of them if they are the same."""
        same = self.name == self.abbreviation
        return self.name if same else f"{self.abbreviation} · {self.name}"

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue, 0 to 255."""
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


@dataclass(frozen=True)
class Surface:
    """A boundary between two layers, with its code in DICOM CID 4273 where there is one."""

    name: str
    code: str | None = None


@dataclass(frozen=True)
class LabelScheme:
    """The classes of a mask, in the order of their values, and the surfaces between them."""

    name: str
    classes: tuple[LabelClass, ...]
    surfaces: tuple[Surface, ...] = ()

    def __post_init__(self) -> None:
        values = [label.value for label in self.classes]
        if values != list(range(len(values))) or not 2 <= len(values) <= 256:
            raise RetinaSegError(
                f"The classes of '{self.name}' must have the values 0, 1, 2, …: received {values}."
            )
        if self.surfaces and len(self.surfaces) != len(self.classes):
            raise RetinaSegError(
                f"'{self.name}' has {len(self.classes) - 1} layers and so needs"
                f" {len(self.classes)} surfaces: received {len(self.surfaces)}."
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, background first."""
        return tuple(label.name for label in self.classes)

    @property
    def palette(self) -> npt.NDArray[np.uint8]:
        """Colours as ``(classes, 3)`` uint8."""
        return np.array([label.rgb for label in self.classes], dtype=np.uint8)

    def find(self, text: str) -> LabelClass:
        """Find a class by its abbreviation, name or value, in upper or lower case.

        Raises
        ------
        RetinaSegError
            If there is none; the sentence names those that there are.
        """
        wanted = name_key(text.strip())
        for label in self.classes:
            if wanted in (name_key(label.abbreviation), name_key(label.name), str(label.value)):
                return label
        known = ", ".join(label.abbreviation for label in self.classes)
        raise RetinaSegError(
            f"There is no class '{text}' in '{self.name}': its classes are {known}, with the"
            f" values 0 to {len(self) - 1}."
        )


# Okabe and Ito's palette, distinguishable with colour vision deficiency.
OCT_LAYERS = LabelScheme(
    name="oct-layers",
    classes=(
        LabelClass(0, "Background", "BG", "#000000"),
        LabelClass(1, "Retinal nerve fibre layer", "RNFL", "#e69f00", order=1),
        LabelClass(2, "Ganglion cell + inner plexiform layer", "GCL+IPL", "#56b4e9", order=2),
        LabelClass(3, "Inner nuclear layer", "INL", "#009e73", order=3),
        LabelClass(4, "Outer plexiform layer", "OPL", "#f0e442", order=4),
        LabelClass(5, "Outer nuclear layer", "ONL", "#0072b2", order=5),
        LabelClass(6, "Ellipsoid zone + outer segments", "EZ", "#d55e00", order=6),
        LabelClass(7, "Retinal pigment epithelium", "RPE", "#cc79a7", order=7),
    ),
    surfaces=(
        Surface("ILM", "SCT:280677004"),
        Surface("RNFL-GCL", "DCM:128289"),
        Surface("IPL-INL", "DCM:128291"),
        Surface("INL-OPL", "DCM:128292"),
        Surface("OPL-ONL", "DCM:128293"),
        Surface("ONL-EZ", "DCM:128295"),
        Surface("EZ-RPE"),
        Surface("RPE-BM", "DCM:128300"),
    ),
)

# Chiu et al. 2015, Biomed. Opt. Express 6(4): 1172, in the words of IN·OCT: its ONL-ISM ends at the
# inner segments' ellipsoids (ISE), and outer segments and pigment epithelium are one layer.
DUKE_LAYERS = LabelScheme(
    name="duke-layers",
    classes=(
        *OCT_LAYERS.classes[:5],
        LabelClass(5, "ONL + ELM + myoid zone", "ONL", "#0072b2", order=5),
        LabelClass(6, "Ellipsoid zone", "EZ", "#d55e00", order=6),
        LabelClass(7, "Outer segments + RPE", "OS+RPE", "#8b4513", order=7),
    ),
    surfaces=(
        *OCT_LAYERS.surfaces[:6],
        Surface("EZ-OS"),
        Surface("RPE-BM", "DCM:128300"),
    ),
)

# The polygons that are drawn over healthy B-scans of OCTID; RPE reaches up to the ellipsoid zone.
OCTID_LAYERS = LabelScheme(
    name="octid-layers",
    classes=(
        *OCT_LAYERS.classes[:6],
        LabelClass(6, "Ellipsoid zone", "EZ", "#d55e00", order=6),
        LabelClass(7, "Retinal pigment epithelium", "RPE", "#cc79a7", order=7),
        LabelClass(8, "Choroid", "Choroid", "#882255", order=8, code="SCT:68703001"),
    ),
    surfaces=(
        *OCT_LAYERS.surfaces,
        Surface("Choroid-sclera", "DCM:128301"),
    ),
)

FUNDUS_VESSELS = LabelScheme(
    name="fundus-vessels",
    classes=(
        LabelClass(0, "Background", "BG", "#000000"),
        LabelClass(
            1,
            "Vessel",
            "Vessel",
            "#00e5ff",
        ),
    ),
)

# The classes of the polygons that are drawn over B-scans of Kermany et al. 2018; fluid is blue to
# green, and detachments of the pigment epithelium count as drusen.
OCT_LESIONS = LabelScheme(
    name="oct-lesions",
    classes=(
        LabelClass(0, "Background", "BG", "#000000"),
        LabelClass(1, "Intraretinal cyst", "IRC", "#44ccff"),
        LabelClass(2, "Lamellar macular hole", "LMH", "#ee7733"),
        LabelClass(3, "Neurosensory detachment", "NSD", "#0055cc"),
        LabelClass(4, "Drusen", "Drusen", "#f0e050"),
        LabelClass(5, "Subretinal fluid", "SRF", "#008866"),
        LabelClass(6, "Subretinal hyper-reflective material", "SHRM", "#ff66bb"),
        LabelClass(7, "Vitreomacular traction", "VMT", "#aa2200"),
        LabelClass(8, "Vitreous detachment", "PVD", "#dddddd"),
    ),
)

# The values of HRF's artery/vein labels (Hemelings et al. 2019).
ARTERIES_VEINS = LabelScheme(
    name="fundus-arteries-veins",
    classes=(
        LabelClass(0, "Background", "BG", "#000000"),
        LabelClass(1, "Artery", "Artery", "#ff3b30"),
        LabelClass(2, "Vein", "Vein", "#2f7dff"),
        LabelClass(3, "Crossing or undecided vessel", "Undecided", "#f0e442"),
    ),
)

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        *(OCT_LAYERS, DUKE_LAYERS, OCTID_LAYERS, OCT_LESIONS),
        *(FUNDUS_VESSELS, ARTERIES_VEINS),
    )
}

# What is also counted together, in the field's terms.
_TOTALS: dict[LabelScheme, dict[str, tuple[int, ...]]] = {OCT_LESIONS: {"Fluid": (1, 3, 5)}}


def class_totals(scheme: LabelScheme) -> dict[str, tuple[int, ...]]:
    """Return the classes of a scheme that also count together: their values, by a common name.

    Examples
    --------
    >>> class_totals(OCT_LESIONS)
    {'Fluid': (1, 3, 5)}
    """
    return _TOTALS.get(scheme, {})


_ARTERIES = frozenset({"artery", "arteries", "arteriole", "arterioles"})
_VEINS = frozenset({"vein", "veins", "venule", "venules"})
_VESSELS = _ARTERIES | _VEINS | {"vessel", "vessels", "crossing or undecided vessel"}


def vessel_values(scheme: LabelScheme) -> dict[int, str]:
    """Return the values of vessels in a scheme, with the names of their classes."""
    return {
        label.value: label.name for label in scheme.classes[1:] if label.name.casefold() in _VESSELS
    }


def is_artery(kind: str) -> bool:
    """Whether a class is of arteries."""
    return kind.casefold() in _ARTERIES


def is_vein(kind: str) -> bool:
    """Whether a class is of veins."""
    return kind.casefold() in _VEINS
