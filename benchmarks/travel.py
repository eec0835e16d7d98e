"""How well vessel models do on cameras that they never saw, and whether vessels stay connected.

    python benchmarks/travel.py --data ../shared/data [--model NAME | FOLDER …]

scores each model on test photographs as they are and as the simulated cameras of `cameras.py` take
them: the mean F1 inside the field of view that is found, the worst image, the centre-line Dice, and
the places per image where a vessel is interrupted (`connectivity.py`). It writes
``docs/travel.json`` and ``docs/travel.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cameras import CAMERAS, simulated
from connectivity import cl_dice, gaps
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.preprocess import find_field
from napari_retina_seg.inference.predict import iter_segment
from napari_retina_seg.models.registry import ModelFolder, load_model
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.progress import finish

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/travel.json"
PAGE = ROOT / "docs/travel.md"
TAKEN = {"chase_db1": ("11",), "hrf": ("12_dr", "13_g")}
AS_THEY_ARE = "as they are"
INTRODUCTION = """\
# Vessels on cameras that a model never saw

Test photographs of CHASE_DB1 (both eyes of subject 11) and HRF (12_dr, 13_g)
as they are, and as five simulated cameras take them: an early sensor, slide film, a close view, a
small pupil, light without red. A simulation is a stand-in: it shares the eyes, the graders and the
optics of the two sets, and no figure here is that of a real camera which was not trained on. F1
counts inside the field of view that is found; the centre-line Dice (Shit et al. 2021) and the gaps,
places per image where a vessel is interrupted, say how well the mask keeps vessels together.
Written by `benchmarks/travel.py`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", nargs="*", default=["fundus-vessels"])
    arguments = parser.parse_args()
    for name in arguments.model:
        model = load_model(name)
        found = {camera: figures(model, images) for camera, images in sets(arguments.data)}
        record = {"weights_sha256": model.spec.weights_sha256, "figures": found}
        results = {**read(), called(model, name): record}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, found, flush=True)
    PAGE.write_text(page(read()))


def called(model: ModelFolder, name: str) -> str:
    """Return the model's name, or that of its folder: a run's models may have one name."""
    return Path(name).resolve().parent.name if Path(name).is_dir() else model.name


def read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def sets(data: Path) -> Iterator[tuple[str, list[LabelledImage]]]:
    """Yield the photographs as they are, and as each camera takes them."""
    images = [
        image
        for folder, groups in TAKEN.items()
        for image in read_dataset(data / folder)
        if image.group in groups
    ]
    yield AS_THEY_ARE, images
    taken = [one for image in images for one in simulated(image)]
    for camera in CAMERAS:
        yield camera, [image for image in taken if image.dataset == camera]


def figures(model: ModelFolder, images: list[LabelledImage]) -> dict[str, float]:
    scores = np.array([score(model, image) for image in images])
    f1, lines, interrupted = scores.mean(axis=0)
    return {
        "F1": round(float(f1), 4),
        "worst F1": round(float(scores[:, 0].min()), 4),
        "clDice": round(float(lines), 4),
        "gaps": round(float(interrupted), 1),
    }


def score(model: ModelFolder, image: LabelledImage) -> tuple[float, float, int]:
    pixels = image.pixels()
    inside = find_field(pixels).core
    photograph = RetinaImage(pixels, color=True, modality=Modality.FUNDUS, name=image.name)
    drawn = (finish(iter_segment(photograph, model)).labels == 1) & inside
    truth = (image.labels() > 0) & inside
    f1 = 2 * (drawn & truth).sum() / max(drawn.sum() + truth.sum(), 1)
    return float(f1), cl_dice(truth, drawn), gaps(truth, drawn)


def page(results: Mapping[str, Any]) -> str:
    rows = []
    for name, result in results.items():
        for camera, values in result["figures"].items():
            cells = [f"{values[key]:.3f}" for key in ("F1", "worst F1", "clDice")]
            rows.append([f"`{name}`", camera, *cells, f"{values['gaps']:.0f}"])
        rows.append([f"`{name}`", "mean of the cameras", *means(result["figures"])])
    header = ["model", "camera", "F1", "worst F1", "clDice", "gaps"]
    return f"{INTRODUCTION}\n\n{markdown_table(header, rows)}\n"


def means(by_camera: Mapping[str, Mapping[str, float]]) -> list[str]:
    strange = [values for camera, values in by_camera.items() if camera != AS_THEY_ARE]
    mean = {key: float(np.mean([values[key] for values in strange])) for key in strange[0]}
    worst = min(values["worst F1"] for values in strange)
    return [f"{mean['F1']:.3f}", f"{worst:.3f}", f"{mean['clDice']:.3f}", f"{mean['gaps']:.0f}"]


if __name__ == "__main__":
    main()
