"""How a model of layers travels: to sick eyes, other devices, margins and an optic disc.

    python benchmarks/oct_travel.py --data ../shared/data [--model MODEL] [--only PART …]

Three parts, none of which is an expert's word on a sick eye:

- phantoms with every kind of change of `napari_retina_seg.imaging.pathology`, of known masks;
- the validation scans (Subject 6), healthy and from one device, taken again "with other devices";
- the test scans of ``kermany_lesions``, which have no layers: whether boundaries leap, layers are
  drawn in margins, and columns are left open or empty.

It writes ``docs/oct_travel.json`` and ``docs/oct_travel.md``, and with ``--pictures`` the overlays
of 30 scans in ``docs/images/oct_travel.jpg``. A model that is not shipped is compared under the
name that ``--name`` gives it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.editing.open_places import find_open_places
from napari_retina_seg.imaging.invalid_pixels import find_no_data
from napari_retina_seg.imaging.pathology import KINDS, apply
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.imaging.scan import Scan
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.io import read_image
from napari_retina_seg.metrics.measures import Key
from napari_retina_seg.models.registry import ModelFolder, load_model
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.types.segmentation import Segmentation

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs/oct_travel.json", ROOT / "docs/oct_travel.md"
PICTURES = ROOT / "docs/images/oct_travel.jpg"
PARTS = ("phantoms", "devices", "test", "lesions")
SHIPPED = "oct-layers"
SEED = 1000  # of no training scan
EACH = 4  # phantoms of every kind
MANY = ("bend", "cysts", "drusen", "detachment", "shadows")

Plane = npt.NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--name", default=SHIPPED, help="under which the figures are kept")
    parser.add_argument("--only", nargs="*", choices=PARTS)
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    model, parts = load_model(arguments.model), arguments.only
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    figures = results.setdefault(arguments.name, {})
    figures["weights_sha256"] = model.spec.weights_sha256
    if not parts or "phantoms" in parts:
        kinds = ("none", *KINDS, "many")
        figures["phantoms"] = {kind: dice(model, phantoms(kind)) for kind in kinds}
    healthy = read_dataset(arguments.data / "oct_layers")
    if not parts or "test" in parts:
        figures["test"] = {"Subject 7": dice(model, [i for i in healthy if i.split == "test"])}
    if not parts or "devices" in parts:
        scans = [i for i in healthy if i.split == "val"]
        figures["devices"] = {
            "as they are": dice(model, scans),
            "other devices": dice(model, [taken_again(i, k) for i in scans for k in range(2)]),
        }
    if not parts or "lesions" in parts:
        folder = arguments.data / "kermany_lesions"
        figures["lesions"] = leaps(model, folder, arguments.pictures)
    print(json.dumps(figures, indent=1))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def dice(model: ModelFolder, images: list[LabelledImage]) -> dict[str, Any]:
    """Return the mean Dice of classes and images, and that of the worst image."""
    result = finish(iter_evaluate(model, images))
    each = [image.scores[Key("dice")] for image in result.images]
    error = result.means[Key("boundary_error_px")].value
    figures = {"Dice": float(np.mean(each)), "worst": float(np.min(each))}
    return {"images": len(each), **figures, "boundary error px": error}


def phantoms(kind: str) -> list[LabelledImage]:
    kinds = {"none": (), "many": MANY}.get(kind, (kind,))
    return [as_labelled(draw(kinds, SEED + index), f"{kind} {index}") for index in range(EACH)]


def draw(kinds: tuple[str, ...], seed: int) -> Scan:
    phantom = phantom_bscan(seed, 496, 640)
    scan = Scan.of(phantom.image.plane(), phantom.heights)
    return apply(scan, kinds, np.random.default_rng(seed))


def taken_again(image: LabelledImage, turn: int) -> LabelledImage:
    rng = np.random.default_rng([SEED, turn, *image.name.encode()])
    scan = Scan.of(image.pixels(), image.heights())
    return as_labelled(apply(scan, ("device",), rng), f"{image.name} {turn}")


def as_labelled(scan: Scan, name: str) -> LabelledImage:
    mask = scan.labels
    return LabelledImage(
        name=name,
        dataset="made",
        group=name,
        modality=Modality.OCT,
        path=Path(name),
        read_pixels=partial(np.copy, scan.pixels),
        read_labels=partial(np.where, mask == IGNORE, 0, mask),
        read_ignored=partial(np.equal, mask, IGNORE),
    )


def leaps(model: ModelFolder, folder: Path, draw_pictures: bool) -> dict[str, Any]:
    """Count columns of the test scans in which something is wrong, or left open."""
    names = json.loads((folder / "splits.json").read_text())["test"]
    total = dict.fromkeys(("columns", "leaps", "open", "empty", "pixels in margins"), 0)
    tiles = []
    for name in names:
        image = replace(
            read_image(next((folder / "images").glob(f"{Path(name).stem}.*"))),
            modality=Modality.OCT,
        )
        made = segment(image, model)
        for key, value in count(image, made).items():
            total[key] += value
        tiles.append(tile(image, made))
    if draw_pictures:
        write_pictures(tiles[:: max(1, len(tiles) // 30)][:30])
    return {"scans": len(names), **total}


def count(image: RetinaImage, made: Segmentation) -> dict[str, int]:
    drawn = made.labels > 0
    wrong = np.zeros(made.labels.shape[1], bool)
    # Whatever is ignored: a leap that is hidden is one.
    for place in find_open_places(made.labels, OCT_LAYERS):
        if "jumps" in place.text:
            wrong[place.first : place.last + 1] = True
    no_data = find_no_data(image)
    guessed = np.zeros_like(wrong) if made.ignore is None else (made.ignore & drawn).any(axis=0)
    seen = np.ones_like(wrong) if no_data is None else ~no_data.all(axis=0)
    return {
        "columns": int(seen.sum()),
        "leaps": int(wrong.sum()),
        "open": int(guessed.sum()),
        "empty": int((seen & ~drawn.any(axis=0)).sum()),
        "pixels in margins": 0 if no_data is None else int((drawn & no_data).sum()),
    }


def tile(image: RetinaImage, made: Segmentation, size: tuple[int, int] = (360, 200)) -> Plane:
    """Draw a scan beside its mask; what is left open is lighter."""
    plane = image.plane()
    grey = np.asarray(plane if plane.ndim == 2 else plane[..., 0], np.uint8)
    colors = np.array([c.rgb for c in OCT_LAYERS.classes], np.uint8)[:, ::-1]
    plain = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    mask, drawn = plain.copy(), made.labels > 0
    mask[drawn] = mask[drawn] // 2 + colors[made.labels[drawn]] // 2
    if made.ignore is not None:
        mask[made.ignore] = mask[made.ignore] // 2 + 110
    return np.hstack(
        [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (plain, mask)]
    )


def write_pictures(tiles: list[Plane], across: int = 3) -> None:
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)]
    cv2.imwrite(str(PICTURES), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 70])


def page(results: dict[str, Any]) -> str:
    """Return the figures as a page."""
    shipped = results[SHIPPED]
    header = [
        "scans",
        "number",
        *(f"`{name}`: mean (worst) Dice, boundary error" for name in results),
    ]

    def rows(part: str) -> Iterator[list[str]]:
        for scans, values in shipped[part].items():
            each = (figures.get(part, {}).get(scans) for figures in results.values())
            yield [scans, str(values["images"]), *map(both, each)]

    lesions = shipped["lesions"]

    def counted(key: str) -> Iterator[str]:
        for figures in results.values():
            found = figures.get("lesions")
            yield f"{found[key]} ({found[key] / found['columns']:.2%})" if found else ""

    said = (
        "No expert has drawn layers into any of these sick eyes: the phantoms are drawings, the"
        " other devices are imitated, and of scans of patients only leaps, gaps and margins are"
        " counted. How near the layers are to an expert's on a sick eye, or on a scan of another"
        " device, is not known from this. Dice is the mean of the eight classes, then of scans."
    )
    patients = f"{lesions['scans']} scans of patients (Kermany et al. 2018, test)"
    sections = [
        "# How the model of layers travels",
        "Made by `python benchmarks/oct_travel.py`; figures in `docs/oct_travel.json`. " + said,
        "## Phantoms with each kind of change",
        markdown_table(header, rows("phantoms")),
        "## Healthy scans (Subject 6, for validation), as other devices may take them",
        markdown_table(header, rows("devices")),
        "## Healthy scans of the training's device (Subject 7, test: 10 scans of one eye)",
        markdown_table(header, rows("test")),
        f"## {patients}",
        markdown_table(
            ["columns with", *(f"`{name}`" for name in results)],
            [[shown(key), *counted(key)] for key in ("leaps", "open", "empty")],
        ),
        f"Pixels of layers in margins: {lesions['pixels in margins']}. `oct-layers` is the model"
        " that is shipped, `resunet-tian2015` the one before [its training on drawn"
        " disease](accuracy.md#what-each-idea-gave).",
        "30 of them with the masks that the model drew; lighter is what it left open (images"
        " CC BY 4.0, Kermany et al. 2018, Mendeley Data rscbjbr9sj):",
        "![30 scans with lesions and their masks](images/oct_travel.jpg)",
    ]
    return "\n\n".join(sections) + "\n"


def both(values: dict[str, float] | None) -> str:
    if not values:
        return ""
    error = values.get("boundary error px")
    text = f"{values['Dice']:.3f} ({values['worst']:.3f})"
    return text if error is None else f"{text}, {error:.2f} px"


def shown(key: str) -> str:
    names = {"leaps": "a boundary that leaps", "open": "layers that are a guess, left open"}
    return names.get(key, "no layer at all")


if __name__ == "__main__":
    main()
