"""Central retinal artery and vein equivalents, by the revised formulas of Knudtson et al."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_retina_seg.measurement.regions import Disc, disc_zones
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.measurement.vessels import Vessels
from napari_retina_seg.types.labels import is_artery, is_vein

BIGGEST = 6  # vessels of each kind that the formulas need
_ARTERY, _VEIN = 0.88, 0.95  # branching coefficients of Knudtson et al. 2003
_SHORTEST = 5  # points of a vessel in zone B


@dataclass(frozen=True)
class Equivalents:
    """Summary of the big vessels around the disc.

    Attributes
    ----------
    crae, crve : float
        Central retinal artery and vein equivalent, in the unit of the widths.
    avr : float
        Their ratio.
    """

    crae: float
    crve: float

    @property
    def avr(self) -> float:
        """Arteriole-to-venule ratio."""
        return self.crae / self.crve


def equivalent(widths: Sequence[float], coefficient: float) -> float:
    """Combine the six widest vessels to the trunk from which they would branch.

    The widest and the narrowest are paired, ``coefficient × √(w₁² + w₂²)`` takes their place, and
    so on until one is left (Knudtson et al. 2003, Curr. Eye Res. 27: 143).

    Parameters
    ----------
    widths : sequence of float
        Six or more, in any unit.
    coefficient : float
        0.88 for arteries, 0.95 for veins.

    Raises
    ------
    MeasureError
        If there are fewer than six.
    """
    left = sorted((float(width) for width in widths if np.isfinite(width)), reverse=True)[:BIGGEST]
    if len(left) < BIGGEST:
        raise MeasureError(
            "An equivalent needs the six widest vessels of a kind in zone B: there are"
            f" {len(left)}."
        )
    while len(left) > 1:
        pairs = len(left) // 2
        middle = left[pairs : len(left) - pairs]
        combined = [coefficient * float(np.hypot(left[k], left[-1 - k])) for k in range(pairs)]
        left = sorted([*combined, *middle], reverse=True)
    return left[0]


def artery_equivalent(widths: Sequence[float]) -> float:
    """Return the central retinal artery equivalent; see `equivalent`."""
    return equivalent(widths, _ARTERY)


def vein_equivalent(widths: Sequence[float]) -> float:
    """Return the central retinal vein equivalent; see `equivalent`."""
    return equivalent(widths, _VEIN)


def measure_equivalents(vessels: Vessels, disc: Disc) -> Equivalents:
    """Measure CRAE, CRVE and AVR in zone B, 0.5 to 1 disc diameter from the disc's margin.

    Parameters
    ----------
    vessels : Vessels
        Of a mask with arteries and veins.
    disc : Disc
        The marked disc.

    Raises
    ------
    MeasureError
        If the mask does not tell arteries from veins, or there are fewer than six of a kind.
    """
    kinds = {segment.kind for segment in vessels.segments}
    if not any(map(is_artery, kinds)) or not any(map(is_vein, kinds)):
        raise MeasureError(
            "CRAE, CRVE and AVR need a mask that tells arteries from veins: a mask of vessels only"
            " can't give them."
        )
    zone = disc_zones(disc, (vessels.mask.shape[0], vessels.mask.shape[1]))["zone B"]
    arteries: list[float] = []
    veins: list[float] = []
    for segment in vessels.segments:
        rows, columns = np.rint(segment.path).astype(int).T
        inside = segment.widths[zone[rows, columns]]
        inside = inside[np.isfinite(inside)]
        kind = arteries if is_artery(segment.kind) else veins if is_vein(segment.kind) else None
        if kind is not None and len(inside) >= _SHORTEST:  # an undecided vessel is neither
            kind.append(float(np.median(inside)))
    if min(len(arteries), len(veins)) < BIGGEST:
        raise MeasureError(
            f"CRAE, CRVE and AVR need {BIGGEST} arteries and {BIGGEST} veins in zone B, 0.5 to 1"
            f" disc diameter from the disc's margin: there are {len(arteries)} and {len(veins)}."
        )
    return Equivalents(artery_equivalent(arteries), vein_equivalent(veins))
