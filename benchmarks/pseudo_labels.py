"""Make training masks for photographs that nobody has labelled, where two networks agree.

    python benchmarks/pseudo_labels.py --data ../shared/data --out RUNS/idrid_agreed [--every 6]

The shipped vessel model sees each photograph of ``idrid_unlabelled`` at three scales, each turned
by half a circle, too: at a smaller scale it sees wide vessels that it misses at its own. The other
opinion is that of LWNet in ``idrid_unlabelled_teacher``. What both call a vessel is one, what
neither does is background, and all else is to be ignored (255). The result is a data set with
``images``, ``masks``, and a ``dataset.json`` that says what 255 means.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.preprocess import FundusPreprocessing, prepare_plane
from napari_retina_seg.inference.predictor import Predictor, load_predictor
from napari_retina_seg.io.formats.card import make_card
from napari_retina_seg.io.formats.contents import Contents, Picture
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.models.registry import load_model
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.progress import CancelToken, finish

ROOT = Path(__file__).resolve().parents[1]
SCALES = (1.0, 0.7, 0.5)
OWN, OTHER = 0.5, 107  # from which on each calls a pixel a vessel
CLEAR_BACKGROUND = 0.35  # below which our own has no doubt

Plane = npt.NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=6, help="take each n-th photograph")
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    parser.add_argument("--teacher", default="fundus-vessels")
    arguments = parser.parse_args()
    predictor = load_predictor(load_model(arguments.teacher))
    photographs = sorted((arguments.data / "idrid_unlabelled").glob("*.jpg"))
    chosen = photographs[arguments.first :: arguments.every]
    for folder in ("images", "masks"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    records, pictures = [], []
    for path in chosen:
        other = arguments.data / "idrid_unlabelled_teacher" / f"{path.stem}.png"
        mask = agreed(predictor, read(path), cv2.imread(str(other), cv2.IMREAD_GRAYSCALE))
        shutil.copyfile(path, arguments.out / "images" / path.name)
        cv2.imwrite(str(arguments.out / "masks" / f"{path.stem}.png"), mask)
        labels = np.where(mask == IGNORE, 0, mask).astype(np.uint8)
        record = MaskRecord(labels, scheme=FUNDUS_VESSELS, name=path.stem, ignore=mask == IGNORE)
        pictures.append(
            Picture(name=path.stem, group=path.stem, split="train", record=len(records), slice=0)
        )
        records.append(make_card(record))
        shares = [np.mean(mask == value) for value in (0, 1, IGNORE)]
        print(path.stem, *(f"{share:.3f}" for share in shares), flush=True)
    sides = {"train": [picture.name for picture in pictures], "val": [], "test": []}
    (arguments.out / "splits.json").write_text(json.dumps(sides, indent=1))
    Contents(pictures=pictures, records=records).write(arguments.out)


def read(path: Path) -> Plane:
    """Return ``(rows, columns, 3)`` RGB."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])


def agreed(predictor: Predictor, pixels: Plane, other: Plane) -> Plane:
    """Return 1 where both see a vessel, 0 where neither does, `IGNORE` elsewhere."""
    own = np.max([seen_at(predictor, pixels, scale) for scale in SCALES], axis=0)
    both = (own > OWN) & (other > OTHER)
    neither = (own < CLEAR_BACKGROUND) & (other <= OTHER)
    return np.where(both, 1, np.where(neither, 0, IGNORE)).astype(np.uint8)


def seen_at(predictor: Predictor, pixels: Plane, scale: float) -> Plane:
    """Return the probability of a vessel, ``(rows, columns)``, the mean of two turns."""
    how = predictor.model.spec.preprocessing
    if not isinstance(how, FundusPreprocessing):
        raise SystemExit(f"'{predictor.model.name}' is no model of photographs.")
    smaller = replace(how, diameter=round(how.diameter * scale))
    prepared = prepare_plane(smaller, pixels, Spacing())
    total = np.zeros(prepared.geometry.working, np.float32)
    for turn in (slice(None), slice(None, None, -1)):
        tensor = np.ascontiguousarray(prepared.tensor[turn, turn])
        output = finish(predictor.iter_predict(tensor, CancelToken()))[..., 0]
        total += output[turn, turn] / 2
    return prepared.geometry.restore(total, 0.0)


if __name__ == "__main__":
    main()
