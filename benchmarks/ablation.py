"""What each idea gave: the same test images, after each part of a training.

    python benchmarks/ablation.py --runs RUNS --data ../shared/data

evaluates the runs that `ablation.toml` lists, as far as they are below `RUNS`, keeps the figures of
the others, and writes ``docs/ablation.json`` and the table in ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from accuracy import figures_on
from accuracy_tables import ROOT, write_documents

from napari_retina_seg.models.packaging import halve_weights, write_model
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.training.run_folder import RunFolder

RESULTS = ROOT / "docs/ablation.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    arguments = parser.parse_args()
    rows = tomllib.loads((Path(__file__).parent / "ablation.toml").read_text())["run"]
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results = {}
    for row in rows:
        run = RunFolder(arguments.runs / row["run"])
        if run.best_weights.is_file():
            results[row["run"]] = {**row, **figures(run, row["recipe"], arguments.data)}
        elif row["run"] in known:
            results[row["run"]] = known[row["run"]]
        print(row["run"], results.get(row["run"]), flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_documents(json.loads((ROOT / "docs/accuracy.json").read_text()))


def figures(run: RunFolder, recipe: str, data: Path) -> dict[str, Any]:
    with run.log.open() as file:
        best = max(float(row["val_dice"]) for row in csv.DictReader(file))
    with tempfile.TemporaryDirectory() as folder:
        model = as_model(Recipe.read(Path(recipe)), run, Path(folder))
        return {"validation Dice": best, "test": figures_on(model, data)}


def as_model(recipe: Recipe, run: RunFolder, folder: Path) -> ModelFolder:
    """Package a run's best weights; runs of earlier versions did not do so themselves."""
    spec = {
        "name": recipe.name,
        **recipe.card.model_dump(),
        "scheme": recipe.scheme,
        "architecture": recipe.architecture,
        "preprocessing": recipe.preprocessing,
        "postprocessing": recipe.postprocessing,
    }
    return write_model(folder, halve_weights(run.best_weights), spec)


if __name__ == "__main__":
    main()
