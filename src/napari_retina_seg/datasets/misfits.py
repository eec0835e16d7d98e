"""Find masks that do not belong to their images: of other images, shifted, rotated or inverted."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_retina_seg.datasets.alignment import (
    ComparedImage,
    Shifts,
    fit,
    fit_shifted,
    fit_turned,
    standing,
)
from napari_retina_seg.datasets.findings import Finding, FindingKind, locate
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, LabelScheme

# Calibrated on CHASE_DB1, HRF, Tian et al. 2015 and Kermany et al. 2018 with the polygons of
# akulistus; what is found and missed there is in docs/dataset_check.md.
_GAIN = 0.05  # by which something else must fit better
_GAIN_OF_PART = 0.2  # the same where layers are left out, which look like background then
_SPREADS = 5.0  # the same for vessels, in standard deviations of fits by chance
_BY_CHANCE = 5.0  # standard deviations up to which vessels fit by chance
_CERTAIN = 8.0  # standard deviations from which vessels do not fit by chance
_BRIGHT = 6.0  # standard deviations from which vessels are bright for certain
_LEAST_SHIFT = 2  # px of a pattern
_MOST_VESSEL = 0.5  # share of an image that is vessel
_MUCH_VESSEL = 0.35  # the same if it is brighter than its surroundings
_FRAME = 0.8  # of the outermost pixels: more are foreground only if values are swapped
_REVERSED = -0.5  # correlation of layers with their depth
_SET = 6  # images that together are evidence enough where a single one is not
_STANDING = 0.6  # mean standing below which their masks are of other images
_WINDOW = 128  # neighbouring images on each side whose masks are compared


@dataclass(frozen=True)
class _Better:
    """Something that fits better than the mask as it is."""

    fit: float
    kind: FindingKind
    problem: str


@dataclass
class _Tried:
    """How well masks fit an image, vessels being dark (or bright, if they are so for certain)."""

    own: float
    shifts: Shifts
    bright: bool
    vessels: bool
    whole: bool
    turned: tuple[float, str]
    shifted: bool
    other: tuple[float, int] = (-1.0, -1)

    @property
    def sigma(self) -> float:
        """By how many standard deviations the mask fits better than one that fits by chance."""
        return _sigma(self.own, self.shifts)


class MisfitFinder:
    """Compare masks with their images, and with those near them in the list.

    Vessels and layers are judged image by image. Other structures may be too faint for that: they
    are judged together. Images come one at a time, and few are kept.

    Parameters
    ----------
    scheme : LabelScheme
        The classes of the masks.
    modality : Modality
        What most images are.
    """

    def __init__(self, scheme: LabelScheme, modality: Modality = Modality.UNKNOWN) -> None:
        self._vessels = scheme.name == FUNDUS_VESSELS.name and modality is not Modality.OCT
        self._classes = len(scheme)
        self._window: deque[tuple[int, ComparedImage]] = deque(maxlen=_WINDOW)
        self._tried: dict[int, _Tried] = {}
        self._inverted: dict[int, str] = {}
        self._standings: dict[int, float] = {}

    def add(self, place: int, pattern: ComparedImage) -> None:
        """Try the masks on the image at a place of the list."""
        vessels = self._vessels and pattern.binary
        tried = None
        if vessels or pattern.layered:
            tried = _try(pattern, vessels=vessels, classes=self._classes)
        inverted = _find_inverted(pattern, tried)
        if inverted:
            self._inverted[place] = inverted
        elif tried is None:
            self._standings[place] = standing(pattern)
        else:
            self._tried[place] = tried
            for near, other in self._window:
                if other.shape == pattern.shape and other.binary == pattern.binary:
                    self._try_other(place, pattern, near, other)
                    self._try_other(near, other, place, pattern)
            self._window.append((place, pattern))

    def _try_other(self, place: int, image: ComparedImage, owner: int, mask: ComparedImage) -> None:
        tried = self._tried[place]
        value = fit(image, mask)
        if tried.vessels and not tried.bright:
            value = -value
        tried.other = max(tried.other, (value, owner))

    def finish(self, images: Sequence[LabelledImage]) -> Mapping[int, Finding]:
        """Return what is wrong with the images, by their places in the list."""
        found = {
            place: _about_mask(images[place], FindingKind.INVERTED, problem)
            for place, problem in self._inverted.items()
        }
        for place, tried in self._tried.items():
            better = _check_masks(tried, images)
            if better is not None:
                found[place] = _about_mask(images[place], better.kind, better.problem)
        found.update(self._find_bright(images, found))
        found.update(self._check_together(images))
        return found

    def _find_bright(
        self, images: Sequence[LabelledImage], found: Mapping[int, Finding]
    ) -> dict[int, Finding]:
        """Find the few whose vessels are bright among those whose vessels are dark."""
        sound = [place for place in self._tried if place not in found]
        bright = [place for place in sound if self._tried[place].bright]
        if 2 * len(bright) >= len(sound):
            return {}  # angiograms
        return {
            place: Finding(
                FindingKind.INVERTED,
                f"What the mask of {locate(images[place])} marks is brighter than what is around"
                " it, and darker in the other images: invert the image or the mask.",
                (images[place].full_name,),
            )
            for place in bright
        }

    def _check_together(self, images: Sequence[LabelledImage]) -> dict[int, Finding]:
        """Find data sets whose faint structures fit no better than rotated copies of the masks."""
        sets: dict[str, list[int]] = defaultdict(list)
        for place in self._standings:
            sets[images[place].dataset].append(place)
        found = {}
        for name, places in sets.items():
            mean = float(np.mean([self._standings[place] for place in places]))
            if len(places) >= _SET and mean < _STANDING:
                for place in places:
                    found[place] = Finding(
                        FindingKind.OTHER_MASK,
                        f"The masks of '{name}' fit their images no better than they do shifted or"
                        " mirrored: check that each lies on its own image.",
                        (images[place].full_name,),
                    )
        return found


def _about_mask(image: LabelledImage, kind: FindingKind, problem: str) -> Finding:
    return Finding(kind, f"The mask of {locate(image)} {problem}", (image.full_name,))


def _sigma(value: float, shifts: Shifts) -> float:
    return (value - shifts.chance) / max(shifts.spread, 1e-3)


def _try(pattern: ComparedImage, *, vessels: bool, classes: int) -> _Tried:
    own = fit(pattern, pattern)
    bright = False
    if vessels:
        shifts = fit_shifted(pattern, darker=True)
        bright = _sigma(-own, shifts) <= -_BRIGHT and own > shifts.best
    if bright or not vessels:
        shifts = fit_shifted(pattern)
    sign = -1 if vessels and not bright else 1
    turned = max((sign * fit_turned(pattern, turn), name) for name, turn in pattern.turns.items())
    shifted = max(abs(shifts.rows), abs(shifts.columns)) >= _LEAST_SHIFT * pattern.scale
    whole = pattern.binary or len(np.unique(pattern.mask)) >= classes
    return _Tried(sign * own, shifts, bright, vessels, whole, turned, shifted)


def _check_masks(tried: _Tried, images: Sequence[LabelledImage]) -> _Better | None:
    """Return what fits better than the mask as it is, or that nothing does."""
    gain = _GAIN if tried.whole else _GAIN_OF_PART
    gain = max(gain, _SPREADS * tried.shifts.spread) if tried.vessels else gain
    candidates = []
    if tried.shifted:
        candidates.append(_Better(tried.shifts.best, FindingKind.SHIFTED, _describe_shift(tried)))
    value, name = tried.turned
    candidates.append(
        _Better(
            value,
            FindingKind.TURNED,
            f"fits better {name} {_figures(value, tried)}: image and mask are not the same way"
            " round, so export both again in the same orientation.",
        )
    )
    value, owner = tried.other
    if owner >= 0:
        candidates.append(
            _Better(
                value,
                FindingKind.OTHER_MASK,
                f"fits it less well than that of '{images[owner].name}' {_figures(value, tried)}:"
                " check which mask belongs to which image.",
            )
        )
    best = max(candidates, key=lambda one: one.fit)
    certain = not tried.vessels or _sigma(best.fit, tried.shifts) > _CERTAIN
    if best.fit - tried.own > gain and certain:
        return best
    if tried.vessels and tried.sigma < _BY_CHANCE:
        return _Better(
            tried.own,
            FindingKind.OTHER_MASK,
            f"fits it no better than by chance (correlation {tried.own:.2f}): it may be that of"
            " another image.",
        )
    return None


def _figures(value: float, tried: _Tried) -> str:
    return f"(correlation {value:.2f} instead of {tried.own:.2f})"


def _describe_shift(tried: _Tried) -> str:
    shifts = tried.shifts
    ways = (
        (shifts.rows, "down" if shifts.rows > 0 else "up"),
        (shifts.columns, "to the right" if shifts.columns > 0 else "to the left"),
    )
    moves = " and ".join(f"{abs(px)} px {way}" for px, way in ways if px)
    return (
        f"fits better if it is moved {moves} {_figures(shifts.best, tried)}: it was shifted or"
        " cropped, so export it on the grid of its image."
    )


def _find_inverted(pattern: ComparedImage, tried: _Tried | None) -> str:
    """Describe how the values of a mask are swapped; empty if they are not."""
    mask = pattern.mask > 127 if pattern.binary else pattern.mask
    share = float((mask > 0).mean())
    frame = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]) > 0
    if tried is not None and tried.vessels:
        if share > _MOST_VESSEL or (tried.bright and share > _MUCH_VESSEL):
            return (
                f"calls {share:.0%} of it vessel: its values are inverted, so swap them, e.g. with"
                " --remap 0:1 --remap 1:0."
            )
    elif frame.mean() > _FRAME and share > _MOST_VESSEL and not (mask > 0).all():
        return (
            "has classes along its frame and background in its middle: its values are inverted,"
            " so say with --remap VALUE:CLASS which class each is."
        )
    elif pattern.layered and _depth_order(pattern) < _REVERSED and not _fits_turned(tried):
        return (
            "has its layers in reverse order, the first at the bottom: turn image and mask"
            " upright, or say with --remap VALUE:CLASS which class each value is."
        )
    return ""


def _fits_turned(tried: _Tried | None) -> bool:
    """Whether a mask alone is turned, not its image too."""
    return tried is not None and tried.turned[0] - tried.own > _GAIN_OF_PART


def _depth_order(pattern: ComparedImage) -> float:
    """Return the correlation of layers with their mean depth, 1 in anatomical order."""
    values = np.unique(pattern.mask)[1:]
    rows = np.arange(pattern.mask.shape[0])
    depths = [np.average(rows, weights=(pattern.mask == value).sum(1)) for value in values]
    if len(values) < 3 or np.ptp(depths) == 0:
        return 1.0
    return float(np.corrcoef(values, depths)[0, 1])
