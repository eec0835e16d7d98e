"""``explain``: maps of the evidence for each class."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_retina_seg.cli.batch import (
    Files,
    ImageKind,
    KindOfImage,
    ModelName,
    Out,
    Overwrite,
    PixelSizeOption,
    choose_model,
    find_spacing,
    model_for,
    open_image,
    work_through,
)
from napari_retina_seg.cli.console import (
    Bar,
    UsageError,
    as_cell,
    echo,
    say,
    start_engine,
    start_engine_alone,
)
from napari_retina_seg.cli.explain_options import (
    ClassNames,
    FigureFormat,
    FormatOption,
    LayerName,
    MapFormat,
    MapOption,
    MethodName,
    MethodOption,
    PointText,
    RegionFile,
    Slice,
)
from napari_retina_seg.cli.inputs import check_outputs, expand
from napari_retina_seg.types.errors import ImageError, RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress

if TYPE_CHECKING:
    from napari_retina_seg.imaging.cam import Method
    from napari_retina_seg.imaging.explanation import Explanation
    from napari_retina_seg.imaging.target import Target
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.reports.explanation import MapKind
    from napari_retina_seg.types.image import RetinaImage, Spacing
    from napari_retina_seg.types.labels import LabelScheme

    Job = Generator[Progress, None, tuple[int, ...]]


@dataclass(frozen=True)
class ExplainOptions:
    """Options of ``explain``.

    Attributes
    ----------
    folder : Path
        Output folder.
    model : ModelFolder or None
        The model; None for the first that fits the image.
    kind : ImageKind or None
        Modality, if stated by the user.
    classes : tuple of str
        Names, abbreviations or values; empty for all.
    layer : str
        Name of the layer; empty for the recommended one.
    method : Method
        The CAM method.
    target : Target
        The pixels to explain.
    index : int or None
        Only this slice; None for all.
    form : str
        FigureFormat of the figure.
    maps : {"npy", "tiff"}
        FigureFormat of the maps.
    spacing : Spacing or None
        Pixel sizes, if the user stated them.
    """

    folder: Path
    model: ModelFolder | None
    kind: ImageKind | None
    classes: tuple[str, ...]
    layer: str
    method: Method
    target: Target
    index: int | None
    form: str
    maps: MapKind
    spacing: Spacing | None


@dataclass(frozen=True)
class ExplainedFile:
    """Result for one file, without the maps."""

    path: Path
    model: str
    layer: str
    method: str
    figure: Path
    seconds: float
    answer: str  # what is predicted at a point or region, with and without it


@dataclass
class _Seen:
    """Summary of a stream of explanations: the one to draw, and the classes with evidence."""

    middle: int
    shown: Explanation | None = None
    evident: set[int] = field(default_factory=set)

    def add(self, one: Explanation) -> None:
        """Add an explanation; the one nearest to the middle slice is kept."""
        named = zip(one.values, one.maps, strict=True)
        self.evident.update(value for value, heat in named if heat.any())
        if self.shown is None or self._rank(one) < self._rank(self.shown):
            self.shown = one

    def drawn(self) -> Explanation:
        """Return the explanation to draw.

        Raises
        ------
        ImageError
            If there is no positive evidence for any class.
        """
        assert self.shown is not None  # noqa: S101 - an error was raised if nothing was explained
        if not self.evident:
            raise ImageError(self.shown.message)
        return self.shown

    def _rank(self, one: Explanation) -> tuple[bool, int]:
        return not one.maps.any(), abs(one.index - self.middle)


def explain_command(
    ctx: typer.Context,
    files: Files,
    out: Out,
    model: ModelName = None,
    modality: KindOfImage = None,
    classes: ClassNames = None,
    layer: LayerName = "",
    method: MethodOption = None,
    index: Slice = None,
    region: RegionFile = None,
    point: PointText = None,
    form: FormatOption = FigureFormat.PNG,
    maps: MapOption = MapFormat.NPY,
    pixel_size: PixelSizeOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Explain masks: a figure with a heat map for each class, and the maps as numbers."""
    inputs = expand(files)
    target = _find_target(region, point)
    request = ExplainOptions(
        folder=out,
        model=choose_model(model) if model else None,
        kind=modality,
        classes=tuple(classes or ()),
        layer=layer,
        method=_find_method(method, target),
        target=target,
        index=index,
        form=form.value,
        maps="npy" if maps is MapFormat.NPY else "tiff",
        spacing=find_spacing(pixel_size),
    )
    if method is not None:
        _remark_on_method(request)
    endings = _endings(request)
    _check_layer(request)
    images = inputs.group()
    check_outputs(images, out, overwrite=overwrite, endings=endings)
    work = partial(_explain_file, request)
    if not work_through(ctx, inputs, images, work, partial(_summarise, out)):
        raise typer.Exit(1)


def _find_method(name: MethodName | None, target: Target) -> Method:
    from napari_retina_seg.imaging.cam import Method
    from napari_retina_seg.imaging.target import WholeClass
    from napari_retina_seg.saliency.slice_explainer import recommended_method

    if name is not None:
        return Method[name.name]
    return recommended_method(whole_class=isinstance(target, WholeClass))


def _remark_on_method(request: ExplainOptions) -> None:
    """Say if the method that was asked for does not suit the target; it is used all the same."""
    from napari_retina_seg.imaging.target import WholeClass
    from napari_retina_seg.saliency.slice_explainer import recommended_method, unsuitable_reason

    whole = isinstance(request.target, WholeClass)
    reason = unsuitable_reason(request.method, whole_class=whole)
    if reason:
        better = recommended_method(whole_class=whole).value
        say(f"{request.method.value} {reason}: {better} suits better.")


def _find_target(region: Path | None, point: str | None) -> Target:
    from napari_retina_seg.imaging.target import Point, Region, WholeClass
    from napari_retina_seg.io.masks import read_region

    if region and point:
        raise UsageError("Give either --region or --point, not both.")
    if region:
        try:
            return Region(read_region(region), f"the region '{region.name}'")
        except RetinaSegError as error:
            raise UsageError(str(error)) from error
    if point is None:
        return WholeClass()
    found = re.fullmatch(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", point)
    if not found:
        raise UsageError(f"'{point}' is not a point: give its row and column, such as 240,400.")
    return Point(int(found[1]), int(found[2]))


def _endings(request: ExplainOptions) -> tuple[str, ...]:
    """Return the suffixes of all result files of an image, of any kind."""
    from napari_retina_seg.reports.explanation import map_name

    schemes = [model.spec.scheme for model in _models(request)]
    endings, problems = [f"_explain.{request.form}"], []
    for scheme in schemes:
        try:
            values = _find_values(scheme, request.classes)
        except RetinaSegError as error:
            problems.append(str(error))
            continue
        slug = request.method.slug
        endings += [map_name("", scheme, value, slug, request.maps) for value in values]
    if len(problems) == len(schemes):
        raise UsageError(" ".join(problems))
    return tuple(dict.fromkeys(endings))


def _check_layer(request: ExplainOptions) -> None:
    """Check that the layer exists, before any file is read."""
    if not request.layer:
        return
    start_engine_alone()
    from napari_retina_seg.saliency.split_network import find_layer

    models, problems = _models(request), []
    for model in models:
        try:
            find_layer(model, request.layer)
        except RetinaSegError as error:
            problems.append(str(error))
    if len(problems) == len(models):
        raise UsageError(" ".join(problems))


def _models(request: ExplainOptions) -> list[ModelFolder]:
    """Return the models that may be used: the modality is unknown before an image is read."""
    from napari_retina_seg.models.registry import default_model
    from napari_retina_seg.types.image import Modality

    if request.model:
        return [request.model]
    kinds = [request.kind] if request.kind else list(ImageKind)
    return [default_model(Modality(kind.value)) for kind in kinds]


def _find_values(scheme: LabelScheme, classes: tuple[str, ...]) -> tuple[int, ...]:
    chosen = dict.fromkeys(scheme.find(name).value for name in classes)
    return tuple(chosen) or tuple(range(len(scheme)))


def _explain_file(
    request: ExplainOptions, source: ImageFiles, bar: Bar, token: CancelToken
) -> ExplainedFile:
    from napari_retina_seg.imaging.explanation import ExplainRequest
    from napari_retina_seg.imaging.target import check_target
    from napari_retina_seg.saliency.explainer import iter_explain

    bar.begin(f"Reading {source.path.name}")
    image = open_image(source, request.kind, bar, request.spacing)
    model = request.model or model_for(image)
    values = _find_values(model.spec.scheme, request.classes)
    check_target(request.target, image.grid, image.n_slices)
    bar.begin("Starting TensorFlow")
    start_engine()
    what = ExplainRequest(values, request.layer, request.method, request.target)
    started = time.perf_counter()
    job = iter_explain(image, model, what, index=request.index, token=token)
    if image.is_volume and request.index is None:
        shown, message = _write_volume(request, image, bar, job)
    else:
        shown, message = _write_plane(request, image, bar, job)
    if message:
        bar.say(f"'{source.path}': {message}")
    return ExplainedFile(
        path=source.path,
        model=shown.model,
        layer=shown.layer.partition(" (")[0],
        method=shown.method.value,
        figure=_figure_path(request, image),
        seconds=time.perf_counter() - started,
        answer="" if shown.answer is None else shown.answer.sentence,
    )


def _write_plane(
    request: ExplainOptions, image: RetinaImage, bar: Bar, job: Job
) -> tuple[Explanation, str]:
    """Write figure and maps of a single image or slice; return the explanation and its message."""
    from napari_retina_seg.reports.explanation import save_maps

    seen = _Seen(0)
    bar.walk(_hand_out(job, seen.add), image.name)
    shown = seen.drawn()
    _save_figure(request, image, shown)
    save_maps(shown, request.folder, image.name, kind=request.maps)
    return shown, shown.message


def _write_volume(
    request: ExplainOptions, image: RetinaImage, bar: Bar, job: Job
) -> tuple[Explanation, str]:
    """Write the maps of a volume as they are made, and a figure of its middle slice."""
    from napari_retina_seg.reports.explanation import MapWriter

    seen = _Seen(image.n_slices // 2)
    shape = (image.n_slices, *image.grid)
    with MapWriter(request.folder, image.name, shape, request.maps) as writer:

        def keep(one: Explanation) -> None:
            writer.add(one)
            seen.add(one)

        skipped = bar.walk(_hand_out(job, keep), image.name)
        shown = seen.drawn()
        _save_figure(request, image, shown)
    return shown, _remark(shown, seen.evident, skipped, image.n_slices)


def _hand_out(job: Job, keep: Callable[[Explanation], None]) -> Job:
    """Run a job and pass on each explanation, which is not kept elsewhere."""
    from napari_retina_seg.saliency.explainer import Explained

    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(step, Explained):
            keep(step.explanation)
        yield step


def _figure_path(request: ExplainOptions, image: RetinaImage) -> Path:
    return request.folder / f"{image.name}_explain.{request.form}"


def _save_figure(request: ExplainOptions, image: RetinaImage, shown: Explanation) -> None:
    from napari_retina_seg.reports.explanation import save_panels

    # Not the image's name, which may be a patient's: only that of the file holds it.
    title = f"Slice {shown.index}" if image.is_volume else "Image"
    save_panels(shown, image.plane(shown.index), _figure_path(request, image), title=title)


def _remark(shown: Explanation, evident: set[int], skipped: tuple[int, ...], slices: int) -> str:
    """Return a sentence on classes and slices of a volume without maps."""
    sentences = []
    pairs = zip(shown.values, shown.names, strict=True)
    silent = [name for value, name in pairs if value not in evident]
    if silent:
        sentences.append(f"No slice has evidence for {', '.join(silent)}.")
    if skipped:
        first = ", ".join(str(index) for index in skipped[:5])
        more = ", …" if len(skipped) > 5 else ""
        sentences.append(
            f"{len(skipped)} of {slices} slices are blank or outside the region,"
            f" and stay 0 (slice {first}{more})."
        )
    return " ".join(sentences)


def _summarise(folder: Path, results: list[ExplainedFile], failed: int) -> None:
    from rich.console import Console
    from rich.table import Table

    if results:
        table = Table("file", "model", "layer", "method", "figure", box=None, pad_edge=False)
        table.add_column("seconds", justify="right")
        for result in results:
            cells = (
                result.path.name,
                result.model,
                result.layer,
                result.method,
                result.figure.name,
                f"{result.seconds:.2f}",
            )
            table.add_row(*(as_cell(cell) for cell in cells))
        Console().print(table)
    for result in results:
        if result.answer:
            echo(f"{result.path.name}: {result.answer}")
    where = f" in '{folder}'" if results else ""
    echo(f"{len(results)} explained{where}, {failed} failed.")
