"""How near the shipped models are to the experts, on test images they never saw.

    python benchmarks/accuracy.py --data ../shared/data

writes ``docs/accuracy.json`` and ``docs/accuracy.md``, the figures in the models' specs, and the
table in the README. It trains nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tables import markdown_table, replace_section

from napari_retina_seg.core import metrics
from napari_retina_seg.core.fov import detect_fov
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.labels import OCT_LAYERS
from napari_retina_seg.data.layouts import LabelledImage, read_dataset
from napari_retina_seg.engine.predict import segment_image
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.registry import ModelFolder, find_model

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    results = {
        "oct-layers": {"oct_layers test": oct_figures(test_images(data / "oct_layers"))},
        "fundus-vessels": {
            "CHASE_DB1 test": vessel_figures(test_images(data / "chase_db1")),
            "HRF test": vessel_figures(test_images(data / "hrf")),
        },
        "second tracing": {"oct_layers, six images": second_tracing(data / "oct_layers")},
        "second observer": {"CHASE_DB1 test": second_observer(test_images(data / "chase_db1"))},
    }
    (ROOT / "docs/accuracy.json").write_text(json.dumps(results, indent=1) + "\n")
    write_documents(results)
    for name in ("oct-layers", "fundus-vessels"):
        write_metrics(find_model(name), results[name])


def test_images(folder: Path) -> list[LabelledImage]:
    return [image for image in read_dataset(folder) if image.split == "test"]


def oct_figures(images: Iterable[LabelledImage]) -> dict[str, Any]:
    """Score masks and boundaries; a crossing is a boundary above the one before it."""
    per_image, errors, crossings = [], [], 0
    pooled = np.zeros((len(OCT_LAYERS),) * 2, np.int64)
    for image in images:
        result = segment_image(as_image(image), "oct-layers")
        matrix = metrics.confusion(image.labels(), result.labels, len(OCT_LAYERS))
        pooled += matrix
        per_image.append(metrics.scores(matrix))
        errors.append(metrics.boundary_error(image.heights(), result.boundaries))
        crossings += int((np.diff(result.boundaries, axis=0) < 0).sum())
    by_boundary = np.mean(errors, axis=0)
    return {
        "images": len(per_image),
        "Dice": float(np.mean([np.nanmean(score.dice) for score in per_image])),
        "Dice pooled": float(np.nanmean(metrics.scores(pooled).dice)),
        "IoU": float(np.mean([np.nanmean(score.iou) for score in per_image])),
        "pixel accuracy": metrics.scores(pooled).accuracy,
        "boundary error px": float(by_boundary.mean()),
        "crossings": crossings,
        "Dice by class": named(OCT_LAYERS.classes, metrics.scores(pooled).dice),
        "boundary error px by boundary": dict(
            zip((s.name for s in OCT_LAYERS.surfaces), map(float, by_boundary), strict=True)
        ),
    }


def second_tracing(folder: Path) -> dict[str, Any]:
    """Score one expert's second tracing of identical images against the first."""
    images = {image.name: image for image in read_dataset(folder)}
    per_image, errors = [], []
    pooled = np.zeros((len(OCT_LAYERS),) * 2, np.int64)
    for name, first in images.items():
        second = images.get(name.replace("Subject1_", "Subject8_"))
        if second in (None, first) or not np.array_equal(first.pixels(), second.pixels()):
            continue
        matrix = metrics.confusion(first.labels(), second.labels(), len(OCT_LAYERS))
        pooled += matrix
        per_image.append(metrics.scores(matrix))
        errors.append(metrics.boundary_error(first.heights(), second.heights()))
    return {
        "images": len(per_image),
        "Dice": float(np.mean([np.nanmean(score.dice) for score in per_image])),
        "Dice pooled": float(np.nanmean(metrics.scores(pooled).dice)),
        "IoU": float(np.mean([np.nanmean(score.iou) for score in per_image])),
        "boundary error px": float(np.mean(errors)),
    }


def vessel_figures(images: Iterable[LabelledImage]) -> dict[str, Any]:
    """Score vessels inside the field of view."""
    rows = []
    for image in images:
        result = segment_image(as_image(image), "fundus-vessels", probabilities=True)
        inside = detect_fov(image.pixels()).mask()
        truth = image.labels()[inside]
        matrix = metrics.confusion(truth, result.labels[inside], 2)
        auc = metrics.roc_auc(truth.astype(bool), result.probabilities[1][inside])
        rows.append((matrix, auc))
    return {**vessel_scores([matrix for matrix, _ in rows]), "AUC": mean(auc for _, auc in rows)}


def second_observer(images: Iterable[LabelledImage]) -> dict[str, Any]:
    """Score the second human as if it were a model."""
    matrices = []
    for image in images:
        inside = detect_fov(image.pixels()).mask()
        truth, second = image.labels()[inside], image.labels("second_observer")[inside]
        matrices.append(metrics.confusion(truth, second, 2))
    return vessel_scores(matrices)


def vessel_scores(matrices: list[Any]) -> dict[str, Any]:
    per_image = [metrics.scores(matrix) for matrix in matrices]
    pooled = metrics.scores(sum(matrices))
    return {
        "images": len(matrices),
        "F1": mean(score.dice[1] for score in per_image),
        "F1 pooled": float(pooled.dice[1]),
        "IoU": mean(score.iou[1] for score in per_image),
        "MCC": mean(score.mcc[1] for score in per_image),
        "sensitivity": mean(score.recall[1] for score in per_image),
        "specificity": mean(score.specificity[1] for score in per_image),
        "accuracy": mean(score.accuracy for score in per_image),
    }


def as_image(image: LabelledImage) -> RetinaImage:
    pixels = image.pixels()
    return RetinaImage(pixels, color=pixels.ndim == 3, modality=image.modality, name=image.name)


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def named(classes: Iterable[Any], values: Iterable[float]) -> dict[str, float]:
    return {label.abbreviation: float(value) for label, value in zip(classes, values, strict=True)}


def write_metrics(model: ModelFolder, figures: dict[str, Any]) -> None:
    """Put the plain figures into the model's spec, from which its card is made."""
    plain = {
        dataset: {
            name: round(value, 4)
            for name, value in values.items()
            if not isinstance(value, dict) and name != "images"
        }
        for dataset, values in figures.items()
    }
    write_spec(ModelFolder(model.path, model.spec.model_copy(update={"metrics": plain})))


def write_documents(results: dict[str, Any]) -> None:
    layers = results["oct-layers"]["oct_layers test"]
    (tracing,) = results["second tracing"].values()
    oct_table = markdown_table(
        [
            "OCT layers",
            "images",
            "mean Dice",
            "Dice, pooled",
            "mean IoU",
            "boundary error, px",
            "crossings",
        ],
        [
            oct_row("`oct-layers` on an eye it never saw", layers),
            oct_row("second human tracing of identical images", tracing),
        ],
    )
    columns = ["F1", "AUC", "IoU", "MCC", "sensitivity", "specificity", "accuracy"]
    rows = [
        ("`fundus-vessels`, CHASE_DB1 11–14", results["fundus-vessels"]["CHASE_DB1 test"]),
        ("second human observer, CHASE_DB1 11–14", results["second observer"]["CHASE_DB1 test"]),
        ("`fundus-vessels`, HRF 11–15", results["fundus-vessels"]["HRF test"]),
    ]
    vessel_table = markdown_table(
        ["Fundus vessels, inside the field of view", "images", *columns],
        [[name, str(row["images"]), *(figure(row.get(c)) for c in columns)] for name, row in rows],
    )
    by_class = markdown_table(
        ["class", "Dice"], [[name, figure(dice)] for name, dice in layers["Dice by class"].items()]
    )
    errors = layers["boundary error px by boundary"]
    by_boundary = markdown_table(
        ["boundary", "mean error, px"], [[name, f"{error:.2f}"] for name, error in errors.items()]
    )
    text = (ROOT / "docs/accuracy_template.md").read_text()
    text = text.replace("<!-- summary -->", f"{oct_table}\n\n{vessel_table}")
    text = text.replace("<!-- detail -->", f"{by_class}\n\n{by_boundary}")
    (ROOT / "docs/accuracy.md").write_text(text)
    replace_section(ROOT / "README.md", "accuracy", f"{oct_table}\n\n{vessel_table}")


def oct_row(name: str, row: dict[str, Any]) -> list[str]:
    crossings = str(row.get("crossings", ""))
    error = f"{row['boundary error px']:.2f}"
    overlap = [figure(row[key]) for key in ("Dice", "Dice pooled", "IoU")]
    return [name, str(row["images"]), *overlap, error, crossings]


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
