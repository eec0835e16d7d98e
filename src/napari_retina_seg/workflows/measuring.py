"""Measure an image: with its mask, or with the mask that a model draws."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.io.inputs import ImageLike, as_image
from napari_retina_seg.measurement.measurements import Measurements
from napari_retina_seg.measurement.tables import Row, Table
from napari_retina_seg.measurement.units import MeasureError
from napari_retina_seg.models.registry import ModelLike, default_model, load_model
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.image import Laterality, RetinaImage, Spacing
from napari_retina_seg.types.labels import LabelScheme, vessel_values
from napari_retina_seg.types.pixel_size import with_stated_spacing
from napari_retina_seg.types.progress import (
    CancelToken,
    Progress,
    ProgressCallback,
    finish,
)
from napari_retina_seg.types.segmentation import Provenance, Segmentation
from napari_retina_seg.workflows.given_masks import MaskLike, as_annotation, check_fit
from napari_retina_seg.workflows.measured import (
    Marks,
    fovea_columns,
    iter_measure_photographs,
    measure_layers,
    measure_other,
    provenance_of,
)

GIVEN, MODEL = "given mask", "model"  # where a mask came from


@dataclass(frozen=True)
class MeasureOptions:
    """What the user states about an image and wants measured.

    Attributes
    ----------
    spacing : Spacing or None
        Pixel sizes in place of the file's.
    laterality : Laterality or None
        Which eye, in place of the file's.
    fovea : tuple of float or None
        Slice and column, of a photograph row and column.
    disc : tuple of float or None
        Row, column and diameter of the optic disc in px of the photograph.
    uncertainty : bool
        Keep the model's probabilities, for the uncertainty of thickness.
    mask_from : str
        How the mask came about, for the tables; by default by a model or given.
    model : Provenance or None
        The model that drew it, if the mask does not state it.
    warning : str
        That the image is unlike those that the model learnt from, if the mask does not state it.
    photographs : mapping of int to Marks
        Fovea and disc of each photograph of a stack, by slice.
    """

    spacing: Spacing | None = None
    laterality: Laterality | None = None
    fovea: tuple[float, float] | None = None
    disc: tuple[float, float, float] | None = None
    uncertainty: bool = False
    mask_from: str = ""
    model: Provenance | None = None
    warning: str = ""
    photographs: Mapping[int, Marks] = field(default_factory=dict)


def measure(
    image: ImageLike,
    mask: MaskLike | None = None,
    *,
    model: ModelLike | None = None,
    scheme: LabelScheme | str | None = None,
    spacing: Spacing | None = None,
    laterality: Laterality | str | None = None,
    fovea: tuple[float, float] | None = None,
    disc: tuple[float, float, float] | None = None,
    uncertainty: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Measurements:
    """Measure the layers, vessels or lesions of an image.

    Lengths are in µm only where the pixel size is known, from the file or `spacing`; else in px.
    Every header of a table names its unit, every row where mask, pixel size, laterality and fovea
    came from.

    Parameters
    ----------
    image : RetinaImage, str, Path or array
        As for `segment`.
    mask : Annotation, str, Path or array, optional
        Its mask: what `segment` returns, a mask file or an array of class values, on the image's
        grid. Without one the image is segmented first.
    model : str, Path or ModelFolder, optional
        Draws the mask if there is none; by default the first that fits the image.
    scheme : LabelScheme or str, optional
        What the values of the mask mean, where it does not state it.
    spacing : Spacing, optional
        Pixel sizes in µm, in place of those of the file.
    laterality : Laterality or str, optional
        ``OD`` or ``OS``, in place of that of the file. Without it nothing is called nasal or
        temporal.
    fovea : tuple of float, optional
        Slice and column of the fovea, of a photograph row and column, in px. By default it is
        looked for in volumes, where the retina is thinnest. Of a stack of photographs neither it
        nor the disc can be given.
    disc : tuple of float, optional
        Row, column and diameter of the optic disc in px: measures zones A to C of a photograph
        and, of arteries and veins, CRAE, CRVE and AVR in zone B.
    uncertainty : bool
        Keep the class probabilities of the model, which say how sure each thickness is; of a
        large volume they need much memory.
    progress : callable, optional
        Called with a `Progress` before each step.
    cancel : CancelToken, optional
        Stops the work before the next step.

    Returns
    -------
    Measurements
        Tables, and the values behind them.

    Raises
    ------
    RetinaSegError
        If the mask is empty or does not fit the image, or something can't be read.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> found = rs.measure("scan.png", "scan_mask.png", scheme="oct-layers")
    >>> found.thickness.unit, found.tables[0].name
    ('px', 'thickness')
    """
    eye = None if laterality is None else member(Laterality, laterality, "laterality", MeasureError)
    options = MeasureOptions(spacing, eye, fovea, disc, uncertainty)
    job = iter_measure(as_image(image), mask, options, model=model, scheme=scheme, token=cancel)
    return finish(job, progress)


def iter_measure(
    image: RetinaImage,
    mask: MaskLike | None,
    options: MeasureOptions,
    *,
    model: ModelLike | None = None,
    scheme: LabelScheme | str | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Measurements]:
    """Measure an image step by step; see `measure`."""
    token = token or CancelToken()
    token.raise_if_cancelled()
    origins = {"laterality from": "file" if image.laterality is not Laterality.UNKNOWN else ""}
    if options.spacing is not None:
        image = with_stated_spacing(image, options.spacing)
    if options.laterality is not None:
        image = replace(image, laterality=options.laterality)
        origins["laterality from"] = "user"
    if mask is None:
        folder = default_model(image.modality) if model is None else load_model(model)
        mask = yield from iter_segment(
            image, folder, probabilities=options.uncertainty, token=token
        )
    annotation, scheme, note = as_annotation(mask, image, scheme)
    yield Progress(0, 1, "Measuring")
    token.raise_if_cancelled()
    check_fit(annotation, image)
    found = Measurements(image, annotation, scheme, ())
    made = annotation.provenance if isinstance(annotation, Segmentation) else options.model
    origins["mask from"] = options.mask_from or (GIVEN if made is None else MODEL)
    if scheme.surfaces:
        found = replace(found, **measure_layers(image, annotation, scheme, options.fovea))
        share = found.thickness.between_pixels if found.thickness else 0.0
        if annotation.boundaries is not None and isinstance(mask, (str, Path)):
            origins["mask from"] += f"; boundaries between pixels in {share:.0%} of the columns"
    elif vessel_values(scheme):
        marks = _marks(image, options)
        job = iter_measure_photographs(image, annotation, scheme, marks=marks, token=token)
        found = replace(found, **(yield from job))
    else:
        found = replace(found, **measure_other(image, annotation, scheme))
    rows = provenance_of(image, made, origins) | fovea_columns(found.fovea)
    warnings = (*image.warnings, *_mask_warnings(annotation, options, origins["mask from"]))
    tables = tuple(_with_provenance(table, image, rows) for table in found.tables)
    notes = (*found.notes, *filter(None, [note]))
    return replace(found, tables=tables, provenance=rows, warnings=warnings, notes=notes)


def _marks(image: RetinaImage, options: MeasureOptions) -> Mapping[int, Marks]:
    """Return the marks of each photograph of a stack, by slice."""
    if options.fovea is None and options.disc is None:
        return options.photographs
    if image.n_slices > 1:
        raise MeasureError(
            f"'{image.name}' holds {image.n_slices} photographs, and a fovea or a disc is that of"
            " one: measure them one by one."
        )
    return {0: Marks(options.fovea, options.disc)}


def _with_provenance(table: Table, image: RetinaImage, origins: Row) -> Table:
    """Put the image before, and where the numbers came from after, the columns of a table."""
    rows = ({"image": image.name, **row, **origins} for row in table.as_rows())
    return Table.from_rows(table.name, rows)


def _mask_warnings(mask: Annotation, options: MeasureOptions, origin: str) -> list[str]:
    """Return what speaks against a mask."""
    if isinstance(mask, Segmentation):
        warning = " ".join([mask.message, *mask.model_warnings]).strip()
    else:
        warning = options.warning
    unchecked = "The mask is as the model drew it: no person has corrected it."
    return [*filter(None, [warning]), *([unchecked] if origin == MODEL else [])]
