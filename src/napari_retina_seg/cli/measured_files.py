"""What ``measure`` does with each file: measure it, and compare it with another scan."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retina_seg.cli.batch import ImageKind, open_image
from napari_retina_seg.cli.console import Bar, UsageError, start_engine
from napari_retina_seg.cli.inputs import expand
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Cancelled, CancelToken

if TYPE_CHECKING:
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.measurement.measurements import Measurements
    from napari_retina_seg.measurement.tables import Table
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.reports.measurements import MeasurementReport
    from napari_retina_seg.types.image import RetinaImage
    from napari_retina_seg.types.labels import LabelScheme
    from napari_retina_seg.workflows.comparing import ScanComparison
    from napari_retina_seg.workflows.measuring import MeasureOptions

_MASKS = ("_mask.png", "_mask.tif", "_mask.tiff", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class MeasureRequest:
    """What holds for all files of a run."""

    masks: Path | None
    scheme: LabelScheme | None
    model: ModelFolder | None
    kind: ImageKind | None
    options: MeasureOptions
    has_report: bool
    keeps_eye: bool = False  # that of the file, if it states one


@dataclass(frozen=True)
class MeasuredFile:
    """What is kept of each image until the end of a run."""

    tables: tuple[Table, ...]
    facts: dict[str, str]
    is_compared: bool = True  # if it was to be
    page: Measurements | None = None  # until it is drawn


@dataclass
class ReferenceScan:
    """The scan with which all others are compared; it is measured once."""

    source: ImageFiles
    is_baseline: bool
    request: MeasureRequest
    found: Measurements | None = None
    failed: int = 0

    def add_to(self, scan: Measurements, bar: Bar, token: CancelToken) -> tuple[Measurements, bool]:
        """Add the comparison to the measurement of a scan, or a note why there is none."""
        tables: tuple[Table, ...] = ()
        try:
            compared = self._compare(scan, bar, token)
            tables, notes = (compared.table,), compared.notes
        except Cancelled:
            raise
        except RetinaSegError as error:
            # Reports show no folders.
            notes = (
                f"Not compared: {str(error).replace(f'{self.source.path.parent}{os.sep}', '')}",
            )
        for note in notes:
            bar.say(f"'{scan.image.source}': {note}")
        found = replace(scan, tables=(*scan.tables, *tables), notes=(*scan.notes, *notes))
        return found, bool(tables)

    def _compare(self, scan: Measurements, bar: Bar, token: CancelToken) -> ScanComparison:
        """Measure it, if that was not yet done, and compare a scan with it."""
        from napari_retina_seg.workflows.comparing import asymmetry, follow_up

        if self.found is None:
            found = _measure_one(self.request, self.source, bar, token)
            # The probabilities of a volume are large, and no longer needed.
            self.found = replace(found, mask=replace(found.mask, probabilities=None))
        return follow_up(scan, self.found) if self.is_baseline else asymmetry(scan, self.found)


def find_reference(
    baseline: Path | None,
    fellow: Path | None,
    fovea: tuple[float, float] | None,
    request: MeasureRequest,
) -> ReferenceScan | None:
    """Return the scan that all others are compared with, if there is one."""
    path = baseline or fellow
    if baseline and fellow:
        raise UsageError("Compare with one scan at a time: leave out --baseline or --fellow.")
    if path is None:
        if fovea is not None:
            raise UsageError("--other-fovea is of the scan that --baseline or --fellow names.")
        return None
    sources = expand([str(path)]).group()
    if len(sources) != 1:
        raise UsageError(f"'{path}' holds {len(sources)} images: name one to compare with.")
    stated = request.options.laterality
    if stated is not None and fellow:
        stated = stated.fellow
    options = replace(request.options, fovea=fovea, disc=None, laterality=stated)
    own = replace(request, options=options, keeps_eye=True)
    return ReferenceScan(sources[0].absolute(), bool(baseline), own)


def measure_file(
    request: MeasureRequest,
    reference: ReferenceScan | None,
    source: ImageFiles,
    bar: Bar,
    token: CancelToken,
) -> MeasuredFile:
    """Measure a file, and compare it."""
    from napari_retina_seg.measurement.apostel import apostel_facts

    found = _measure_one(request, source, bar, token)
    is_compared = True
    if reference is not None:
        found, is_compared = reference.add_to(found, bar, token)
    page = found if request.has_report else None
    return MeasuredFile(found.tables, apostel_facts(found), is_compared, page)


def keep_measured(
    report: MeasurementReport | None,
    reference: ReferenceScan | None,
    measured: MeasuredFile,
    bar: Bar,
) -> MeasuredFile:
    """Draw the page of a file, and count it if it was not compared; return what is kept of it."""
    if reference is not None and not measured.is_compared:
        reference.failed += 1
    if report is not None and measured.page is not None:
        bar.begin("Drawing the report")
        report.add(measured.page)
    return replace(measured, page=None)


def _measure_one(
    request: MeasureRequest, source: ImageFiles, bar: Bar, token: CancelToken
) -> Measurements:
    from napari_retina_seg.types.image import Laterality
    from napari_retina_seg.workflows.measuring import iter_measure

    bar.begin(f"Reading {source.path.name}")
    image = open_image(source, request.kind, bar)
    options = request.options
    if request.keeps_eye and image.laterality is not Laterality.UNKNOWN:
        options = replace(options, laterality=None)
    mask = None if request.masks is None else _find_mask(request.masks, source)
    if mask is None:
        bar.begin("Starting TensorFlow")
        start_engine()
    job = iter_measure(
        image, mask, options, model=request.model, scheme=request.scheme, token=token
    )
    found = bar.walk(job, source.path.name)
    for note in found.notes:
        bar.say(f"'{source.path}': {note}")
    if note := _without_size(found.image):
        bar.say(f"'{source.path}': {note}")
    return found


def _without_size(image: RetinaImage) -> str:
    spacing = image.spacing
    if spacing.axial.um is None:
        return "The pixel size is not known, so lengths are in px: state it with --pixel-size."
    return ""


def _find_mask(folder: Path, source: ImageFiles) -> Path:
    for ending in _MASKS:
        path = folder / f"{source.name}{ending}"
        if path.is_file() and path.resolve() != source.path.resolve():
            return path
    raise UsageError(
        f"'{folder}' has no mask of '{source.path.name}': expected '{source.name}_mask.png' or the"
        " image's name."
    )
