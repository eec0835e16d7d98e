"""``explain``: maps of the evidence for each class."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_retina_seg.cli.batch import (
    Batch,
    Files,
    KindOfImage,
    ModelName,
    Out,
    Overwrite,
    PixelSizeOption,
    Resume,
    Work,
    check_not_both,
    choose_model,
    common_settings,
    find_spacing,
    models_for,
    work_through,
)
from napari_retina_seg.cli.console import (
    UsageError,
    as_cell,
    echo,
    say,
    start_engine_alone,
)
from napari_retina_seg.cli.explain_file import (
    ExplainedFile,
    ExplainOptions,
    explain_file,
    find_values,
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
from napari_retina_seg.types.batches import Mapper
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Progress
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from napari_retina_seg.imaging.cam import Method
    from napari_retina_seg.imaging.target import Target
    from napari_retina_seg.models.registry import ModelFolder

    Job = Generator[Progress, None, tuple[int, ...]]


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
    resume: Resume = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Explain masks: a figure with a heat map for each class, and the maps as numbers."""
    inputs = expand(files)
    target = _find_target(region, point)
    request = ExplainOptions(
        folder=out.absolute(),
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
    models = models_for(request.model, modality)
    batch = Batch(
        inputs,
        images,
        partial(explain_file, request),
        partial(_summarise, out),
        cluster=cluster,
        needs=WorkerNeeds(models, writes=(request.folder,)),
    )
    if resume:
        from napari_retina_seg.cli.resuming import resumed

        check_not_both(overwrite=overwrite)
        settings = _settings(request, models, region)
        work_in = partial(_explain_in, request)
        is_done = work_through(ctx, resumed(batch, work_in, out, settings, endings))
    else:
        check_outputs(images, out, overwrite=overwrite, endings=endings)
        is_done = work_through(ctx, batch)
    if not is_done:
        raise typer.Exit(1)


def _explain_in(
    request: ExplainOptions, _mapper: Mapper | None, folder: Path
) -> Work[ExplainedFile]:
    return partial(explain_file, replace(request, folder=folder))


def _settings(
    request: ExplainOptions, models: tuple[ModelFolder, ...], region: Path | None
) -> dict[str, object]:
    """Return what decides on figures and maps besides the images."""
    from napari_retina_seg.project.files import hash_file

    return {
        **common_settings("explain", models, request.kind, request.spacing),
        "choice of classes": list(request.classes),
        "layer": request.layer,
        "method": request.method.value,
        "target": request.target.description if region is None else hash_file(region),
        "slice": request.index,
        "format": [request.form, request.maps],
    }


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

    schemes = [model.spec.scheme for model in models_for(request.model, request.kind)]
    endings, problems = [f"_explain.{request.form}"], []
    for scheme in schemes:
        try:
            values = find_values(scheme, request.classes)
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

    models, problems = models_for(request.model, request.kind), []
    for model in models:
        try:
            find_layer(model, request.layer)
        except RetinaSegError as error:
            problems.append(str(error))
    if len(problems) == len(models):
        raise UsageError(" ".join(problems))


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
