"""``demo``: segment two sample images."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retina_seg.cli.console import Bar, UsageError, echo, interruptible, say, start_engine
from napari_retina_seg.cli.inputs import free_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_retina_seg.imaging.phantom import Phantom
    from napari_retina_seg.types.image import RetinaImage
    from napari_retina_seg.types.segmentation import Segmentation

_FOLDER = "retina-seg-demo"
_SUMMARY = "summary.json"


def demo_command(
    headless: Annotated[
        bool, typer.Option("--headless", help="Open no window: write files to a folder.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help=f"Write files to this folder, without a window; by default {_FOLDER}.",
        ),
    ] = None,
) -> None:
    """Segment a fundus photograph and an OCT scan, in a window or without one."""
    from napari_retina_seg.imaging.phantom import phantom_bscan

    phantom = phantom_bscan()
    photograph = fundus_photograph()
    if headless or out is not None:
        _write_demo(photograph, phantom, out)
        return
    reason = _why_no_window()
    if reason is None:
        from napari_retina_seg._napari.demo import open_demo

        open_demo([photograph, phantom.image])
        return
    say(f"No window, because {reason}; 'napari-retina-seg doctor' shows how to fix it.")
    _write_demo(photograph, phantom, out)


def fundus_photograph() -> RetinaImage:
    """Return the fundus photograph that comes with scikit-image (CC0)."""
    from skimage.data import retina

    from napari_retina_seg.types.image import Modality, RetinaImage

    return RetinaImage(
        pixels=retina(),
        color=True,
        modality=Modality.FUNDUS,
        name="Fundus photograph",
        source="skimage.data.retina()",
    )


def _why_no_window() -> str | None:
    """Return why no window can be opened; Qt would abort the process in some of these cases."""
    from napari_retina_seg.cli.screen import has_display, probe_screen

    if not has_display():
        return "there is no screen"
    problems = probe_screen().problems()
    return problems[0].state if problems else None


def _write_demo(photograph: RetinaImage, phantom: Phantom, out: Path | None) -> None:
    from napari_retina_seg.models.registry import default_model

    folder = _empty_folder(out)
    jobs = [
        (image, truth, default_model(image.modality))
        for image, truth in ((photograph, None), (phantom.image, phantom.labels))
    ]
    with Bar(len(jobs)) as bar, interruptible() as token:
        bar.begin("Starting TensorFlow")
        start_engine()
        from napari_retina_seg.inference.predict import iter_segment
        from napari_retina_seg.io.atomic import write_atomically

        summary = []
        for image, truth, model in jobs:
            segmentation = bar.walk(iter_segment(image, model, token=token), image.name)
            summary.append(_save(image, segmentation, truth, folder))
            bar.finish()
    text = json.dumps({"images": summary}, indent=2)
    write_atomically(folder / _SUMMARY, text.encode())
    echo(str(folder.resolve()))


def _empty_folder(out: Path | None) -> Path:
    """Return the requested folder, or the first default name that is free."""
    if out is None:
        return free_folder(_FOLDER)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"'{out}' exists already and is not an empty folder: choose another one.")
    return out


def _save(
    image: RetinaImage,
    segmentation: Segmentation,
    truth: npt.NDArray[np.uint8] | None,
    folder: Path,
) -> dict[str, Any]:
    """Write an image's results; return their line of the summary."""
    from napari_retina_seg.io.results import save_segmentation
    from napari_retina_seg.metrics.segmentation import confusion, scores

    stem = "_".join(re.findall(r"[^\W_]+", image.name.lower()))
    written = save_segmentation(segmentation, image, folder, stem)
    classes, mask = segmentation.scheme.classes, segmentation.raster()  # as in the file
    record: dict[str, Any] = {
        "image": image.name,
        "files": [path.name for path in written],
        "classes": [
            {
                "value": label.value,
                "name": label.name,
                "pixels": int((mask == label.value).sum()),
            }
            for label in classes
        ],
        **asdict(segmentation.provenance),
    }
    if truth is not None:
        dice = scores(confusion(truth, segmentation.labels, len(classes))).dice
        record["dice_to_truth"] = {
            label.name: round(float(value), 4) for label, value in zip(classes, dice, strict=True)
        }
    return record
