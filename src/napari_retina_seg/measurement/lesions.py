"""Area and volume of drawn lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, Spacing
from napari_retina_seg.types.labels import LabelClass, LabelScheme, class_totals


@dataclass(frozen=True)
class LesionSize:
    """How much of one class, or of several that count together, is drawn.

    Attributes
    ----------
    name : str
        Of the class or the total.
    pixels : int
        Number of pixels, ignored ones not counted.
    area : float
        Of a plane in `area_unit`; of a volume the sum over its slices.
    area_unit : str
        ``mm²``, or ``px²`` where a pixel size is unknown.
    volume : float or None
        In mm³; None for a single image or where the distance of slices is unknown.
    ignored : float
        Share of the image that is ignored, and so not counted.
    """

    name: str
    pixels: int
    area: float
    area_unit: str
    volume: float | None
    ignored: float


def lesion_classes(scheme: LabelScheme) -> tuple[LabelClass, ...]:
    """Return the classes that are no layers, whose size is an area or a volume."""
    return tuple(label for label in scheme.classes[1:] if label.order is None)


def measure_lesions(
    mask: Annotation,
    scheme: LabelScheme,
    spacing: Spacing | None = None,
    modality: Modality = Modality.OCT,
) -> tuple[LesionSize, ...]:
    """Measure area and, of an OCT volume, volume of every drawn class that is no layer.

    Classes that also count together, such as all kinds of fluid, are added up besides.

    A class that is not drawn has the size 0: the grader looked and there was none. What is
    ignored is not counted, and its share is stated.

    Parameters
    ----------
    mask : Annotation
        The mask.
    scheme : LabelScheme
        What its values mean.
    spacing : Spacing, optional
        Pixel sizes.
    modality : Modality
        Many photographs in a stack have no volume.

    Raises
    ------
    MeasureError
        If the scheme has layers only, or everything is ignored.
    """
    classes = lesion_classes(scheme)
    if not classes:
        raise MeasureError(
            f"'{scheme.name}' has layers only, whose thickness is measured between surfaces."
        )
    spacing = spacing or Spacing()
    ignored = np.zeros(mask.labels.shape, bool) if mask.ignore is None else mask.ignore
    ignored = ignored | (mask.labels >= len(scheme))
    if ignored.all():
        raise MeasureError("Everything in this mask is ignored: there is nothing to measure.")
    row, column, between = (size.um for size in (spacing.axial, spacing.lateral, spacing.slice))
    known = row is not None and column is not None
    pixel = row * column / 1e6 if row is not None and column is not None else 1.0
    deep = mask.is_volume and modality is Modality.OCT and known and between is not None
    sizes = []
    parts = {label.name: (label.value,) for label in classes} | class_totals(scheme)
    counts = np.bincount(mask.labels[~ignored].ravel(), minlength=len(scheme))
    for name, values in parts.items():
        count = int(counts[list(values)].sum())
        area = count * pixel
        volume = area * between / 1000 if deep and between is not None else None
        unit = "mm²" if known else "px²"
        sizes.append(LesionSize(name, count, area, unit, volume, float(ignored.mean())))
    return tuple(sizes)
