"""How near the models are to the experts, on test images they never saw.

    python benchmarks/accuracy.py --data ../shared/data [--runs RUNS]

evaluates every model of the package, and those in `RUNS` that are too large for it, by what
`napari-retina-seg evaluate` does. It writes ``docs/accuracy.json`` and ``docs/accuracy.md``, the
figures in the models' specs and cards, and the table in the README. It trains nothing.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_tables import (
    LAYERS,
    LESION_SET,
    LESIONS,
    RESULTS,
    ROOT,
    SECOND,
    VESSELS,
    write_documents,
)

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.inference.evaluate import iter_evaluate, iter_evaluate_reference
from napari_retina_seg.metrics import segmentation as metrics
from napari_retina_seg.metrics.bootstrap import Estimate
from napari_retina_seg.metrics.evaluation import Evaluation
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.registry import (
    BUNDLED,
    FORMER_NAMES,
    ModelFolder,
    list_models,
    open_model,
)
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, OCT_LESIONS
from napari_retina_seg.types.progress import finish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, help="folder of runs that are not in the package")
    parser.add_argument("--only", nargs="*", help="evaluate these models; keep the others' figures")
    arguments = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results = {name: result for name, result in known.items() if name not in FORMER_NAMES}
    for model in find_models(arguments.runs):
        if arguments.only is None or model.name in arguments.only:
            results[model.name] = figures_of(model, arguments.data)
            write_metrics(model, results[model.name])
            print(model.name, results[model.name]["figures"], flush=True)
    if not arguments.only:
        results["second tracing"] = {"figures": second_tracing(arguments.data / "oct_layers")}
        results[SECOND] = {"figures": second_observer(arguments.data / "chase_db1")}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_documents(results)


def find_models(runs: Path | None) -> list[ModelFolder]:
    bundled = [model for model in list_models() if model.path.is_relative_to(BUNDLED)]
    names = {model.name for model in bundled}
    others = (
        [open_model(path.parent) for path in sorted(runs.glob("*/model/spec.json"))] if runs else []
    )
    return [*bundled, *(model for model in others if model.name not in names)]


def figures_of(model: ModelFolder, data: Path) -> dict[str, Any]:
    record = model.spec.training
    return {
        "figures": figures_on(model, data),
        "weights_sha256": model.spec.weights_sha256,
        "training": record and record.model_dump(),
        "megabytes": round(model.weights.stat().st_size / 1e6, 1),
        "in the package": model.path.is_relative_to(BUNDLED),
    }


def figures_on(model: ModelFolder, data: Path) -> dict[str, dict[str, Any]]:
    """Evaluate a model on the test images of every data set that it is for."""
    if model.spec.scheme == OCT_LESIONS:
        images = test_images(data / "kermany_lesions")
        return {LESION_SET: lesion_figures(finish(iter_evaluate(model, images)))}
    if model.spec.modality is Modality.OCT:
        sets, keys = {"oct_layers test": "oct_layers"}, LAYERS
    else:
        sets, keys = {"CHASE_DB1 test": "chase_db1", "HRF test": "hrf"}, VESSELS
    return {
        name: summarise(finish(iter_evaluate(model, test_images(data / folder))), keys)
        for name, folder in sets.items()
    }


def test_images(folder: Path) -> list[LabelledImage]:
    return [image for image in read_dataset(folder) if image.split == "test"]


def summarise(evaluation: Evaluation, keys: dict[str, str]) -> dict[str, Any]:
    """Return the means over images, the pooled overlap, and what each class and boundary has."""
    means = evaluation.means
    figures: dict[str, Any] = {"images": len(evaluation.images)}
    figures |= {name: means[Key(key)].value for name, key in keys.items() if Key(key) in means}
    overlap = next(iter(keys))
    figures[f"{overlap} pooled"] = evaluation.pooled[Key("dice")]
    if keys is LAYERS:
        figures["Dice by class"] = parts(evaluation, "dice")
        figures["boundary error px by boundary"] = parts(evaluation, "boundary_error_px")
    return figures


def lesion_figures(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of all kinds of fluid together and of drusen, and those of each class."""
    pooled = evaluation.pooled_estimates
    by_class: dict[str, dict[str, Any]] = {}
    for part, shown in evaluation.images_with.items():
        measured = {name: pooled.get(Key(key, part)) for name, key in LESIONS.items()}
        found = {name: as_interval(one) for name, one in measured.items() if one is not None}
        by_class[part] = {"images": shown} | found
    figures: dict[str, Any] = {"images": len(evaluation.images)}
    for part in ("Fluid", "Drusen"):
        figures |= {f"{part} {name}": pooled[Key(LESIONS[name], part)].value for name in LESIONS}
        figures[f"{part} Dice, mean of images"] = evaluation.means[Key("dice", part)].value
    return figures | {"by class": by_class}


def as_interval(estimate: Estimate) -> list[float]:
    """Return the value, and the limits of its interval if there is one."""
    limits = [] if estimate.low is None else [estimate.low, estimate.high]
    return [round(float(number), 4) for number in (estimate.value, *limits)]


def parts(evaluation: Evaluation, measure: str) -> dict[str, float]:
    return {
        key.part: estimate.value
        for key, estimate in evaluation.means.items()
        if key.measure == measure and key.part
    }


def second_tracing(folder: Path) -> dict[str, Any]:
    """Score one expert's second tracing of identical images against the first."""
    images = {image.name: image for image in read_dataset(folder)}
    pairs = [
        (first, second)
        for name, first in images.items()
        if (second := images.get(name.replace("Subject1_", "Subject8_"))) is not None
        and second is not first
        and np.array_equal(first.pixels(), second.pixels())
    ]
    traced = [replace(first, references={"second": second.read_labels}) for first, second in pairs]
    figures = summarise(finish(iter_evaluate_reference(traced, "second", OCT_LAYERS)), LAYERS)
    # The mask knows whole rows only, the tracing more.
    errors = [
        metrics.height_errors(other.heights() - first.heights()).absolute for first, other in pairs
    ]
    figures["boundary error px"] = float(np.mean(errors))
    del figures["boundary error px by boundary"]
    return {"oct_layers, six images": figures}


def second_observer(folder: Path) -> dict[str, Any]:
    """Score the second human as if it were a model."""
    evaluation = finish(iter_evaluate_reference(test_images(folder), SECOND, FUNDUS_VESSELS))
    return {"CHASE_DB1 test": summarise(evaluation, VESSELS)}


def write_metrics(model: ModelFolder, result: dict[str, Any]) -> None:
    """Put the plain figures into the model's spec, from which its card is made."""
    figures = {
        dataset: {
            name: round(value, 4)
            for name, value in values.items()
            if not isinstance(value, dict) and name != "images"
        }
        for dataset, values in result["figures"].items()
    }
    write_spec(ModelFolder(model.path, model.spec.model_copy(update={"metrics": figures})))


if __name__ == "__main__":
    main()
