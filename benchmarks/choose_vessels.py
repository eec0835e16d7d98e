"""Choose how much of its parent a trained vessel model keeps, and its threshold, by validation.

    python benchmarks/choose_vessels.py RUN --data ../shared/data --out FOLDER

Weights that learnt from many cameras draw those that they knew a little worse; a mean with the
weights that the training of all parts began with keeps both (Wortsman et al. 2022, WiSE-FT). Shares
and thresholds are compared on the recipe's validation photographs, as they are and as simulated
cameras take them (`cameras.py`): of those that cost the known cameras at most 0.002, the one that
is best on the simulated ones. It writes the model folder, and with ``--tables`` what was found to
``docs/vessels_choice.json``. Test images play no part.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cameras import simulated, validation_images

from napari_retina_seg.imaging.preprocess import prepare_plane
from napari_retina_seg.inference.predictor import Predictor, load_network, load_predictor
from napari_retina_seg.models.packaging import halve_weights, write_model
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, load_model, open_model
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.progress import CancelToken, finish

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/vessels_choice.json"
SHARES = (0.0, 0.3, 0.5)
THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5)
COST = 0.002  # of F1 on the known cameras
EVERY = 2  # of the simulated photographs

Counts = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="resunet-chasedb1-hrf-idrid")
    parser.add_argument("--parent", default="fundus-vessels")
    parser.add_argument("--recipe", type=Path, default=Path("fundus-vessels-stage5"))
    parser.add_argument("--threshold", type=float, help="by default the best of several")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    parent, trained = load_model(arguments.parent), open_model(RunFolder(arguments.run).model)
    with tempfile.TemporaryDirectory() as folder:
        models = {1.0: parent} | {
            share: mix(trained, parent, share, Path(folder) / f"{share:g}", arguments.name)
            for share in SHARES
        }
        found = scores(models.values(), arguments.data)
        rows = [
            {"share": share, "threshold": threshold, "known": known, "simulated": strange}
            for share, by_threshold in zip(models, found, strict=True)
            for threshold, (known, strange) in zip(THRESHOLDS, by_threshold, strict=True)
        ]
        start = next(row for row in rows if row["share"] == 1 and row["threshold"] == 0.5)
        allowed = [
            row
            for row in rows
            if row["known"] >= start["known"] - COST
            and arguments.threshold in (None, row["threshold"])
        ]
        best = max(allowed, key=lambda row: row["simulated"])
        for row in rows:
            print(row, "<- chosen" if row is best else "")
        chosen = models[best["share"]]
        spec = described(chosen, parent, Recipe.read(arguments.recipe))
        spec["postprocessing"]["threshold"] = best["threshold"]
        write_model(arguments.out, chosen.weights.read_bytes(), spec)
    if arguments.tables:
        RESULTS.write_text(json.dumps({"chosen": best, "rows": rows}, indent=1) + "\n")


def described(model: ModelFolder, parent: ModelFolder, recipe: Recipe) -> dict[str, Any]:
    """Return a model's spec with the recipe's card, and what its parent's says today."""
    spec = model.spec.model_dump(mode="json", exclude={"weights_sha256"})
    today = {"training_data": parent.spec.training_data, "licence": parent.spec.licence}
    for ancestor in spec["ancestors"]:
        if ancestor["weights_sha256"] == parent.spec.weights_sha256:
            ancestor.update(today)
        else:
            ancestor["licence"] = recipe.card.licence
    return spec | recipe.card.model_dump(mode="json")


def mix(
    model: ModelFolder, parent: ModelFolder, share: float, folder: Path, name: str
) -> ModelFolder:
    """Write a model whose weights are partly its parent's."""
    network = load_network(model)
    pairs = zip(network.get_weights(), load_network(parent).get_weights(), strict=True)
    network.set_weights([(1 - share) * own + share * first for own, first in pairs])
    spec = model.spec.model_dump(mode="json", exclude={"weights_sha256"}) | {"name": name}
    folder.mkdir(parents=True)
    weights = folder / "mixed.weights.h5"
    network.save_weights(weights)
    return write_model(folder / "model", halve_weights(weights), spec)


def scores(models: Iterable[ModelFolder], data: Path) -> list[list[tuple[float, float]]]:
    """Return mean F1 on known and on simulated cameras, by model and threshold."""
    predictors = [load_predictor(model) for model in models]
    known: list[list[Counts]] = [[] for _ in predictors]
    strange: list[list[Counts]] = [[] for _ in predictors]
    images = list(validation_images(data))
    taken = sorted((one for image in images for one in simulated(image)), key=lambda one: one.name)
    for group, members in ((known, images), (strange, taken[::EVERY])):
        for image in members:
            prepared = prepare_plane(
                predictors[0].model.spec.preprocessing, image.pixels(), Spacing()
            )
            truth = image.labels() > 0
            for found, predictor in zip(group, predictors, strict=True):
                found.append(f1(predictor, prepared, truth))
    return [
        [
            (round(float(a), 4), round(float(b), 4))
            for a, b in zip(np.mean(own, axis=0), np.mean(other, axis=0), strict=True)
        ]
        for own, other in zip(known, strange, strict=True)
    ]


def f1(predictor: Predictor, prepared: Any, truth: npt.NDArray[np.bool_]) -> Counts:
    """Return the F1 inside the field of view at each threshold."""
    output = finish(predictor.iter_predict(prepared.tensor, CancelToken()))[..., 0]
    geometry = prepared.geometry
    truth = truth & geometry.predicted
    drawn = (geometry.restore_mask(output, threshold) > 0 for threshold in THRESHOLDS)
    return np.array([2 * (mask & truth).sum() / (mask.sum() + truth.sum()) for mask in drawn])


if __name__ == "__main__":
    main()
