"""Explain one file: its figure, its maps, and its line in the summary of ``explain``."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retina_seg.cli.batch import ImageKind, model_for, open_image
from napari_retina_seg.cli.console import Bar, start_engine
from napari_retina_seg.types.errors import ImageError
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


def explain_file(
    request: ExplainOptions, source: ImageFiles, bar: Bar, token: CancelToken
) -> ExplainedFile:
    """Explain one file, and write its figure and maps.

    Raises
    ------
    RetinaSegError
        If it can't be read, or there is nothing to explain.
    """
    from napari_retina_seg.imaging.explanation import ExplainRequest
    from napari_retina_seg.imaging.target import check_target
    from napari_retina_seg.saliency.explainer import iter_explain

    bar.begin(f"Reading {source.path.name}")
    image = replace(open_image(source, request.kind, bar, request.spacing), name=source.name)
    model = request.model or model_for(image)
    values = find_values(model.spec.scheme, request.classes)
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


def find_values(scheme: LabelScheme, classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return the values of the chosen classes of a scheme, by default of all."""
    chosen = dict.fromkeys(scheme.find(name).value for name in classes)
    return tuple(chosen) or tuple(range(len(scheme)))
