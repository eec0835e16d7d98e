"""Keep what a training run left: its model in the package, its recipe and log in the documents.

    python benchmarks/ship.py RUN [RUN …]

A model over 8 MB stays where it is; `benchmarks/accuracy.py --runs` evaluates it there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from napari_retina_seg.models.registry import BUNDLED, open_model
from napari_retina_seg.training.run_folder import RunFolder

LARGEST = 8_000_000  # bytes
KEPT = Path(__file__).resolve().parents[1] / "docs" / "runs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    for path in parser.parse_args().runs:
        run = RunFolder(path)
        model = open_model(run.model)
        name = path.resolve().name  # a model may come of several runs, one after the other
        shutil.copyfile(run.recipe, KEPT / f"{name}.toml")
        shutil.copyfile(run.log, KEPT / f"{name}.csv")
        size = model.weights.stat().st_size
        if size <= LARGEST:
            shutil.copytree(run.model, BUNDLED / model.name, dirs_exist_ok=True)
        print(f"{model.name}: {size / 1e6:.1f} MB, {'shipped' if size <= LARGEST else 'left'}")


if __name__ == "__main__":
    main()
