"""Explain a mask by class activation maps on the image's own grid.

The score of a class is its logit, before softmax or sigmoid, summed over the pixels that are asked
about; a map weighs the activations of one layer by the gradient of that score.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.imaging.explanation import ExplainRequest, Explanation
from napari_retina_seg.imaging.target import Target, WholeClass, check_target
from napari_retina_seg.inference.predict import check_fit
from napari_retina_seg.io.inputs import ImageLike, as_image
from napari_retina_seg.models.registry import ModelFolder, ModelLike, default_model, load_model
from napari_retina_seg.saliency.slice_explainer import ForwardCache, SliceExplainer
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish


@dataclass(frozen=True, eq=False)
class Explained(Progress):
    """A progress step that carries the maps of one plane.

    Attributes
    ----------
    explanation : Explanation
        Of the plane.
    """

    explanation: Explanation = field(kw_only=True)


def iter_explain(
    image: RetinaImage,
    model: ModelFolder,
    request: ExplainRequest,
    *,
    index: int | None = None,
    last: ForwardCache | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, tuple[int, ...]]:
    """Explain an image, one slice of a volume, or a volume slice by slice.

    Parameters
    ----------
    image : RetinaImage
        What the model drew on; lazy pixels are read slice by slice.
    model : ModelFolder
        Which model.
    request : ExplainRequest
        What to explain, and how.
    index : int, optional
        Only this slice; by default the whole image or volume.
    last : ForwardCache, optional
        Where the forward pass is looked for, and kept.
    token : CancelToken, optional
        Stops the work before the next pass.

    Yields
    ------
    Progress
        Before each pass; `Explained` with the maps of each plane.

    Returns
    -------
    tuple of int
        Slices that were left out, since there is nothing to see or nothing was asked about.

    Raises
    ------
    ModelError
        If the model is broken, takes other images, or has no such class or layer.
    ImageError
        If there is nothing to explain, the target lies outside the image, or there is no such
        method.
    Cancelled
        If it was cancelled through `token`.
    """
    token, last = token or CancelToken(), last or ForwardCache()
    check_fit(image, model)
    check_target(request.target, image.grid, image.n_slices)
    indices = range(image.n_slices) if index is None else [index]
    yield Progress(0, len(indices), f"Loading {model.name}")
    alone = index is not None or not image.is_volume
    explainer = SliceExplainer(model, request, last, token, answers=alone)
    skipped: list[int] = []
    for done, i in enumerate(indices):
        message = f"{done + 1} of {len(indices)} slices" if len(indices) > 1 else image.name
        yield Progress(done, len(indices), message)
        token.raise_if_cancelled()
        try:
            explanation = yield from explainer.iter_explain(image, i)
        except ImageError:
            if done + 1 == len(indices) and len(skipped) == done:
                raise
            skipped.append(i)
            continue
        yield Explained(done + 1, len(indices), message, explanation=explanation)
    return tuple(skipped)


def iter_draw(
    image: RetinaImage,
    model: ModelFolder,
    request: ExplainRequest,
    *,
    index: int,
    last: ForwardCache,
    token: CancelToken,
) -> Generator[Progress, None, npt.NDArray[np.uint8]]:
    """Draw the mask of a plane, so that the class at a place can be explained.

    The arguments are those of `explain`; the forward pass is kept for the request.

    Returns
    -------
    array
        ``(rows, columns)`` uint8 on the image's own grid.
    """
    check_fit(image, model)
    yield Progress(0, 1, f"Loading {model.name}")
    return (yield from SliceExplainer(model, request, last, token).iter_draw(image, index))


def explain(
    image: ImageLike,
    model: ModelLike | None = None,
    classes: Sequence[str | int] = (),
    *,
    target: Target | None = None,
    layer: str = "",
    method: Method | None = None,
    index: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Explanation:
    """Show where in an image, or in one slice of a volume, a model found its evidence.

    Parameters
    ----------
    image : RetinaImage, str, Path or array
        What the model segments; see `segment`.
    model : str, Path or ModelFolder, optional
        Name of a model, path of a model folder, or what `load_model` returns; by default the
        first that fits the image.
    classes : str, int, or sequence of str or int
        Abbreviations, names or mask values of the classes to explain; by default all of them.
    target : WholeClass, Region or Point, optional
        Which pixels are asked about; by default all that the model gives the class. A region or
        point costs one more pass through the network, for `Explanation.answer`.
    layer : str
        Layer of the network, such as ``"decoder 2"``, or its own name in Keras, such as
        ``"decoder_2_a_conv"``; by default the one that is recommended.
    method : Method or str, optional
        Grad-CAM, Grad-CAM++, HiResCAM or LayerCAM; by default the one that suits the target.
    index : int, optional
        Slice of a volume; it must be given for one.
    progress : callable, optional
        Called with a `Progress` before each pass through the network.
    cancel : CancelToken, optional
        Stops the work before the next pass.

    Returns
    -------
    Explanation
        With maps of shape ``(classes, rows, columns)`` on the image's own grid.

    Raises
    ------
    ModelError
        If the model is broken, takes another kind of image, or has no such class or layer.
    ReadError
        If the file can't be read.
    ImageError
        If there is nothing to explain, or the target lies outside the image.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> why = rs.explain("scan.png", "oct-layers", ["RNFL", "RPE"])
    >>> why.names, why.maps.shape, why.method.value
    (('RNFL', 'RPE'), (2, 160, 192), 'Grad-CAM')
    """
    image = as_image(image)
    folder = default_model(image.modality) if model is None else load_model(model)
    listed = [classes] if isinstance(classes, str | int) else classes
    values = tuple(
        folder.spec.scheme.find(one).value if isinstance(one, str) else one for one in listed
    )
    if index is None and image.n_slices > 1:
        raise ImageError(
            f"'{image.name}' has {image.n_slices} slices: say with 'index' which one to explain."
        )
    request = ExplainRequest(values, layer, method, WholeClass() if target is None else target)
    found: list[Explanation] = []

    def keep(step: Progress) -> None:
        if isinstance(step, Explained):
            found.append(step.explanation)
        if progress is not None:
            progress(step)

    finish(iter_explain(image, folder, request, index=index or 0, token=cancel), keep)
    return found[0]
