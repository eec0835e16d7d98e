"""Mix the weights of a model with those of a run that went on from it (Wortsman et al. 2022).

    python benchmarks/mix_weights.py MODEL RUN --share 0.5 --out MIXED

What the run learnt is kept in large part, and what the model was good at, too (WiSE-FT). `MIXED`
is like the run, but for the weights of its model.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

import h5py

from napari_retina_seg.models.packaging import write_model
from napari_retina_seg.models.registry import load_model, open_model
from napari_retina_seg.training.run_folder import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("run", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of the run's weights, 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    run, mixed = RunFolder(arguments.run), RunFolder(arguments.out)
    learnt = open_model(run.model)
    weights = mix(load_model(arguments.model).weights, learnt.weights, arguments.share)
    mixed.path.mkdir(parents=True)
    shutil.copyfile(run.recipe, mixed.recipe)
    shutil.copyfile(run.log, mixed.log)
    spec = learnt.spec.model_dump(mode="json", exclude_none=True)
    del spec["weights_sha256"]
    made = write_model(mixed.model, weights, spec)
    print(f"{made.path}: {arguments.share:g} of the weights of '{arguments.run}'")


def mix(first: Path, second: Path, share: float) -> bytes:
    """Return a weights file of the means, in the precision of the second."""
    content = io.BytesIO(second.read_bytes())
    with h5py.File(first) as one, h5py.File(content, "r+") as both:

        def visit(name: str, other: h5py.HLObject) -> None:
            if isinstance(other, h5py.Dataset):
                mean = (1 - share) * one[name][()].astype("f4") + share * other[()].astype("f4")
                other[...] = mean.astype(other.dtype)

        both.visititems(visit)
    return content.getvalue()


if __name__ == "__main__":
    main()
