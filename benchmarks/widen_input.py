"""Give a model more channels of input, so that a training can begin with what it knows.

    python benchmarks/widen_input.py fundus-vessels RECIPE OUT

writes the folder of a model that takes what the recipe's preprocessing makes. The weights of the
first convolution for the added channels are 0: until it is trained, it does what it did.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from napari_retina_seg.inference.predictor import load_network
from napari_retina_seg.models.networks import build
from napari_retina_seg.models.packaging import halve_weights, write_model
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    model, recipe = load_model(arguments.model), Recipe.read(arguments.recipe)
    narrow, wide = load_network(model).get_weights(), build(recipe.architecture)
    wide.set_weights(
        [
            np.pad(own, [(0, new - old) for old, new in zip(own.shape, w.shape, strict=True)])
            for own, w in zip(narrow, wide.get_weights(), strict=True)
        ]
    )
    spec = model.spec.model_dump(mode="json", exclude={"weights_sha256"})
    parts = {"architecture": recipe.architecture, "preprocessing": recipe.preprocessing}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "wide.weights.h5"
        wide.save_weights(weights)
        write_model(arguments.out, halve_weights(weights), spec | parts)


if __name__ == "__main__":
    main()
