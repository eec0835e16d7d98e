"""What ``learning.py`` learns from: small B-scans and small photographs, and small networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.surfaces import to_labels

STARTED = 5  # images to begin with
EYES = ("Subject1", "Subject2", "Subject3", "Subject4", "Subject5")  # Subject8 is Subject1's eye
UNSEEN = ("Subject6", "Subject7")
ACROSS = 4  # columns of a B-scan that become one
SMALLER = {"chase_db1": 2, "hrf": 3}  # times: a field of view of about 500 px
TESTED = "test"  # the beginning of the names of photographs that are only scored

COMMON: dict[str, Any] = {
    "name": "few-eyes",
    "seed": 1,
    "callbacks": {"monitor": "none"},
    "optimizer": {"name": "adamw", "learning_rate": 4e-3, "weight_decay": 1e-4, "warmup": 20},
    "loss": {"cross_entropy": 1, "dice": 0.5},
}
NETWORK: dict[str, Any] = {
    "kind": "unet",
    "widths": [8, 16, 24, 32],
    "residual": True,
    "batch_norm": True,
    "transposed": False,
    "stem_strides": [1, 1],
}
TRAINING: dict[str, Any] = {"batch": 4, "epochs": 1, "steps_per_epoch": 300, "ema": 0.97}
# Of a fine-tuning; the rest is the program's own recipe.
TUNING: dict[str, Any] = {
    "training.epochs": 1,
    "training.steps_per_epoch": 60,
    "training.batch_statistics": "fast",
    "training.kept_share": 0,
    "optimizer.learning_rate": 2e-3,
    "callbacks.monitor": "none",
}


@dataclass(frozen=True)
class Kind:
    """Images of a kind, and the network that learns from them.

    Attributes
    ----------
    title, what, measure : str
        What the section is called, how it says what is learnt from what, and what is measured.
    recipe : mapping
        How the network learns before the rounds.
    changes : mapping
        Of the program's recipe for fine-tuning.
    shrink : callable
        Writes small images of the data (first argument) into a folder, once, and reads them.
    """

    title: str
    what: str
    measure: str
    recipe: Mapping[str, Any]
    changes: Mapping[str, Any]
    shrink: Callable[[Path, Path], tuple[LabelledImage, ...]]


@dataclass(frozen=True)
class Images:
    """The images of a seed.

    Attributes
    ----------
    start : tuple of LabelledImage
        What the first model learns from.
    pool : tuple of LabelledImage
        What may be corrected.
    unseen : tuple of LabelledImage
        Of other eyes, to score.
    """

    start: tuple[LabelledImage, ...]
    pool: tuple[LabelledImage, ...]
    unseen: tuple[LabelledImage, ...]


def patient(name: str) -> str:
    """Return the patient, or eye, that the name of a small image begins with."""
    return name.split("_", maxsplit=1)[0]


def choose(images: Sequence[LabelledImage], seed: int) -> Images:
    """Return what a seed starts with: five B-scans of one eye, or photographs of one camera."""
    unseen = tuple(image for image in images if patient(image.name).startswith((TESTED, *UNSEEN)))
    known = [image for image in images if image not in unseen]
    first = EYES[(seed - 1) % len(EYES)]
    own = [image for image in known if patient(image.name).startswith((first, "chase"))]
    rng = np.random.default_rng(seed)
    start = {own[index].name for index in rng.permutation(len(own))[:STARTED]}
    return Images(
        tuple(image for image in own if image.name in start),
        tuple(image for image in known if image.name not in start),
        unseen,
    )


def shrink_scans(data: Path, folder: Path) -> tuple[LabelledImage, ...]:
    """Write all B-scans in half the rows and a quarter of the columns."""
    for image in read_dataset(data / "oct_layers"):
        if image.group not in EYES + UNSEEN or (folder / f"{image.name}_mask.png").exists():
            continue
        if image.read_heights is None:
            raise SystemExit(f"{image.path} has no boundaries.")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = image.pixels()
        rows, columns = pixels.shape[0] // 2, pixels.shape[1] // ACROSS
        small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        heights = image.read_heights()[:, : ACROSS * columns].reshape(-1, columns, ACROSS)
        heights = heights.mean(axis=2)
        heights = (heights - 0.5) / 2  # of the edges of pixels, whose centres are whole numbers
        cv2.imwrite(str(folder / f"{image.name}.png"), small)
        table = "\n".join(",".join(f"{height:.3f}" for height in one) for one in heights.T)
        head = ",".join(f"b{number}" for number in range(len(heights)))
        (folder / f"{image.name}_boundaries.csv").write_text(f"{head}\n{table}\n")
        labels = to_labels(heights.astype(np.float32), rows)
        cv2.imwrite(str(folder / f"{image.name}_mask.png"), labels)  # last: the scan is complete
    return read_dataset(folder)


def shrink_photographs(data: Path, folder: Path) -> tuple[LabelledImage, ...]:
    """Write the photographs of both cameras at half and a third of their size.

    Of those that are only scored every second one is taken.
    """
    for side in ("images", "masks"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    for dataset, smaller in SMALLER.items():
        images = read_dataset(data / dataset)
        tested = [image for image in images if image.split == "test"][::2]
        for image in (*(one for one in images if one.split == "train"), *tested):
            prefix = TESTED if image in tested else ""
            eye = image.group.replace("_", "")
            name = f"{prefix}{dataset.split('_')[0]}{eye}_{image.name.replace('_', '')}"
            if (folder / "masks" / f"{name}.png").exists():
                continue
            pixels, vessels = image.pixels(), (image.labels() > 0).astype(np.float32)
            size = tuple(side // smaller for side in pixels.shape[1::-1])
            small = cv2.resize(pixels[..., ::-1], size, interpolation=cv2.INTER_AREA)
            share = cv2.resize(vessels, size, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / "images" / f"{name}.png"), small)
            cv2.imwrite(str(folder / "masks" / f"{name}.png"), (share > 0.4).astype(np.uint8))
    return read_dataset(folder)


LAYERS = Kind(
    "Layers",
    "scans of half the rows and a quarter of the columns learns from 5 B-scans of one eye; the"
    " pool are 50 scans of five eyes; Dice is the mean of the layers over 20 scans of two other"
    " eyes",
    "Dice of the layers, unseen eyes",
    {
        **COMMON,
        "scheme": "oct-layers",
        "card": {
            "title": "Layers, learnt from five B-scans",
            "description": "For benchmarks/learning.py only.",
            "modality": "oct",
            "licence": "CC BY 4.0",
        },
        "postprocessing": {"kind": "surfaces", "smoothing": 2},
        "architecture": {**NETWORK, "channels": 1},
        "preprocessing": {"kind": "oct"},
        "training": {**TRAINING, "crop": [192, 96]},
        "augmentation": {
            "rotation": 10,
            "scale": [0.87, 1.18],
            "flip_columns": True,
            "gain": 0.15,
            "gamma": 0.2,
            "noise": 0.12,
            "speckle": 0.3,
        },
    },
    {**TUNING, "training.crop": [192, 96]},
    shrink_scans,
)
VESSELS = Kind(
    "Vessels",
    "photographs with a field of view of about 500 px learns from 5 photographs of CHASE_DB1; the"
    " pool are the training sets of CHASE_DB1 and HRF, 50 photographs; F1 is the mean over 12 of"
    " their test photographs, inside the field of view",
    "F1 of the vessels, unseen patients",
    {
        **COMMON,
        "scheme": "fundus-vessels",
        "card": {
            "title": "Vessels, learnt from five photographs",
            "description": "For benchmarks/learning.py only.",
            "modality": "fundus",
            "licence": "CC BY 4.0",
        },
        "postprocessing": {"kind": "threshold", "threshold": 0.5},
        "architecture": {**NETWORK, "channels": 3},
        "preprocessing": {"kind": "fundus", "diameter": 480},
        "training": {**TRAINING, "crop": [192, 192]},
        "augmentation": {
            "rotation": 180,
            "scale": [0.8, 1.25],
            "flip_columns": True,
            "gain": 0.2,
            "mixing": 0.1,
            "illumination": 0.3,
            "noise": 0.2,
            "blur": 0.8,
        },
    },
    {**TUNING, "training.crop": [192, 192]},
    shrink_photographs,
)
KINDS = {"layers": LAYERS, "vessels": VESSELS}
