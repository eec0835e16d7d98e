"""`Segmentation`: a predicted mask with its provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.labels import LabelScheme

UNLIKE = "This does not look like what the model learnt from"
_MUCH = 0.01  # share of the pixels that is worth a sentence


@dataclass(frozen=True)
class Provenance:
    """Provenance of a mask: enough to reproduce it.

    Attributes
    ----------
    source : str
        Path of the image.
    model, weights_sha256 : str
        Name of the model and hash of its weights.
    version : str
        Version of this program.
    device, precision : str
        What computed it, e.g. ``CPU`` and ``float32``.
    seconds : float
        How long it took.
    """

    source: str
    model: str
    weights_sha256: str
    version: str
    device: str
    precision: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """A failed plausibility check of an image or its mask.

    Attributes
    ----------
    name : str
        Which check fired, e.g. ``uncertainty``; one of `napari_retina_seg.imaging.plausibility`.
    reason : str
        What was seen, in words that follow a colon.
    slices : tuple of int
        Of a volume, in which slices.
    """

    name: str
    reason: str
    slices: tuple[int, ...] = ()


def warn(checks: tuple[Check, ...], slices: int) -> str:
    """Format the failed checks as one sentence; empty if there are none."""
    if not checks:
        return ""
    reasons = "; ".join(_with_slices(check, slices) for check in checks)
    return f"{UNLIKE}: check it ({reasons})."


def _with_slices(check: Check, total: int) -> str:
    if not check.slices or len(check.slices) == total:
        return check.reason
    if len(check.slices) == 1:
        return f"{check.reason}, slice {check.slices[0]}"
    return f"{check.reason}, {len(check.slices)} of {total} slices"


@dataclass(frozen=True, eq=False)
class Segmentation(Annotation):
    """The mask of an image as a model drew it: an `Annotation` with its origin.

    Attributes
    ----------
    scheme : LabelScheme
        What the values mean.
    provenance : Provenance
        How it came about.
    skipped : tuple of int
        Slices in which there was nothing to see: background, with NaN for heights.
    checks : tuple of Check
        What fired of the checks whether this is the kind of image that the model learnt from.
    unchecked : tuple of str
        Names of the checks that were left out, since the model states no limits for them.
    model_warnings : tuple of str
        What the model's card warns of, in sentences, whatever the image.
    """

    scheme: LabelScheme = field(kw_only=True)
    provenance: Provenance = field(kw_only=True)
    skipped: tuple[int, ...] = field(default=(), kw_only=True)
    checks: tuple[Check, ...] = field(default=(), kw_only=True)
    unchecked: tuple[str, ...] = field(default=(), kw_only=True)
    model_warnings: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probabilities is not None and self.probabilities.shape[-3] != len(self.scheme):
            raise ImageError(
                f"Probabilities of this mask are of {len(self.scheme)} classes: received"
                f" {self.probabilities.shape}."
            )

    @property
    def warning(self) -> str:
        """Warning that the image is unlike the training data; empty if it is not."""
        return warn(self.checks, len(self.labels) if self.is_volume else 1)

    @property
    def fired_checks(self) -> tuple[str, ...]:
        """Names of the checks that fired, and "guess" if layers of some columns are one."""
        guess = ("guess",) if self._guessed().any() else ()
        return (*(check.name for check in self.checks), *guess)

    @property
    def message(self) -> str:
        """The warning and notes on this image: nothing found, or slices and pixels left out."""
        return " ".join(sentence for sentence in (self.warning, self._gaps()) if sentence)

    def _gaps(self) -> str:
        if not self.labels.any():
            return "Nothing was found: check that the image is of the kind the model is for."
        sentences = self._skipped_slices(), self._ignored_share(), self._guessed_share()
        return " ".join(sentence for sentence in sentences if sentence)

    def _skipped_slices(self) -> str:
        if not self.skipped:
            return ""
        first = ", ".join(str(index) for index in self.skipped[:5])
        more = ", …" if len(self.skipped) > 5 else ""
        return (
            f"{len(self.skipped)} of {len(self.labels)} slices show nothing and are left out"
            f" (slice {first}{more})."
        )

    def _ignored_share(self) -> str:
        """Return a sentence on pixels without data in the segmented slices, if there are many."""
        if self.ignore is None:
            return ""
        seen = self.ignore & (self.labels == 0)
        seen = np.delete(seen, self.skipped, axis=0) if self.is_volume else seen
        share = float(seen.mean())
        return f"{share:.0%} of the pixels hold no data and are left out." if share > _MUCH else ""

    def _guessed(self) -> npt.NDArray[np.bool_]:
        """Return in which columns layers were drawn though they are to be ignored."""
        if self.ignore is None:
            return np.zeros(1, bool)
        guessed: npt.NDArray[np.bool_] = np.any(self.ignore & (self.labels > 0), axis=-2)
        return guessed

    def _guessed_share(self) -> str:
        """Return a sentence on columns in which the layers are a guess."""
        guessed = self._guessed()
        if not guessed.any():
            return ""
        columns = int((self.labels > 0).any(axis=-2).sum())
        share = guessed.sum() / columns
        return (
            f"In {share:.1%} of the columns the layers are a guess and left open (ignored): there"
            " the model showed none, or boundaries that leap. Check them."
        )

    def uncertainty(self) -> npt.NDArray[np.float32]:
        """Return the entropy of the class probabilities over its largest value, 0 … 1.

        Returns
        -------
        array
            float32, shape of the labels.

        Raises
        ------
        ImageError
            If the probabilities were not asked for.
        """
        if self.probabilities is None:
            raise ImageError("Uncertainty needs probabilities: request them with the segmentation.")
        return normalised_entropy(self.probabilities)

    def mean_uncertainty(self) -> float:
        """Return the mean uncertainty of the segmented pixels, to review the worst masks first.

        Returns
        -------
        float
            Mean uncertainty of the pixels that are not background, 0 … 1: most of an image is
            background, and surely so. 1 if nothing was drawn, which is most doubtful.

        Raises
        ------
        ImageError
            If the probabilities were not asked for.
        """
        drawn = self.labels > 0
        return float(self.uncertainty()[drawn].mean()) if drawn.any() else 1.0


def normalised_entropy(probabilities: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Shannon entropy over the axis -3, divided by that of a uniform distribution.

    Class by class, so that a volume of many classes needs memory for two of its masks only.
    """
    classes = probabilities.shape[-3]
    entropy = np.zeros(probabilities.shape[:-3] + probabilities.shape[-2:], np.float32)
    for k in range(classes):
        p = probabilities[..., k, :, :].astype(np.float32)
        entropy -= p * np.log(np.maximum(p, 1e-12))
    return np.asarray(np.clip(entropy / np.log(classes), 0, 1), np.float32)
