"""How right measurements are: layers beside a second tracing, vessels beside a second observer.

    python benchmarks/measurements.py --data ../shared/data

segments the test scans of `oct_layers` and writes ``docs/measurements.json`` and
``docs/measurements.md``. Where skan (https://skeleton-analysis.org) is installed, it measures the
same skeletons; eyepy (https://github.com/MedVisBonn/eyepy) measures the same phantom.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from tables import markdown_table

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.imaging.fov import detect_fov
from napari_retina_seg.imaging.phantom import Phantom, phantom_volume
from napari_retina_seg.inference.predict import segment
from napari_retina_seg.measurement.bands import find_bands
from napari_retina_seg.measurement.thickness import measure_thickness
from napari_retina_seg.measurement.vessels import Vessels, measure_vessels
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.workflows.measuring import measure

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs/measurements.json", ROOT / "docs/measurements.md"
NUMBERS = (
    "mean of device [µm]",
    "mask − device [µm]",
    "SD [µm]",
    "lower 95 % limit [µm]",
    "upper 95 % limit [µm]",
)
COMPARED = ("abbreviation", "columns", *NUMBERS)
BANDS = [band.abbreviation for band in find_bands(OCT_LAYERS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--only", choices=("layers", "vessels", "device", "etdrs"), help="keep the other figures"
    )
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if arguments.only in (None, "device"):
        results["device"] = device_difference(arguments.data / "heidelberg_vol")
    if arguments.only in (None, "layers"):
        results["layers"] = {
            "oct-layers": model_error(arguments.data / "oct_layers"),
            "second tracing": second_tracing(arguments.data / "oct_layers"),
        }
    if arguments.only in (None, "etdrs"):
        results["etdrs"] = etdrs_beside_eyepy()
    if arguments.only in (None, "vessels"):
        results["vessels"] = vessel_figures(arguments.data / "chase_db1")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results), encoding="utf-8")


def traced(image: LabelledImage) -> Annotation:
    return Annotation(image.read_labels().astype(np.uint8), image.heights().astype(np.float32))


def model_error(folder: Path) -> dict[str, Any]:
    """Compare the model's thickness with the expert's in every column of the test scans."""
    images = [image for image in read_dataset(folder) if image.split == "test"]
    errors, inside, spread = [], [], []
    for image in images:
        scan = RetinaImage(image.pixels(), modality=Modality.OCT)
        ours = measure_thickness(segment(scan, "oct-layers", probabilities=True), OCT_LAYERS)
        difference = ours.values - measure_thickness(traced(image), OCT_LAYERS).values
        errors.append(np.nanmean(np.abs(difference), axis=(1, 2)))
        sigma = ours.uncertainty
        inside.append(np.nanmean(np.abs(difference) <= 1.96 * sigma, axis=(1, 2)))
        spread.append(np.nanmean(sigma, axis=(1, 2)))
        print(image.name, np.round(errors[-1], 2), flush=True)
    return {
        "images": len(images),
        "error px": dict(zip(BANDS, np.mean(errors, axis=0).tolist(), strict=True)),
        "stated SD px": dict(zip(BANDS, np.mean(spread, axis=0).tolist(), strict=True)),
        "within 1.96 SD": dict(zip(BANDS, np.mean(inside, axis=0).tolist(), strict=True)),
    }


def second_tracing(folder: Path) -> dict[str, Any]:
    """Compare one expert's two tracings of six identical scans."""
    images = {image.name: image for image in read_dataset(folder)}
    errors = []
    for name, first in images.items():
        second = images.get(name.replace("Subject1_", "Subject8_"))
        if second is None or second is first:
            continue
        if not np.array_equal(first.pixels(), second.pixels()):
            continue
        one, two = (measure_thickness(traced(image), OCT_LAYERS) for image in (first, second))
        errors.append(np.nanmean(np.abs(two.values - one.values), axis=(1, 2)))
    means = np.mean(errors, axis=0).tolist()
    return {"images": len(errors), "error px": dict(zip(BANDS, means, strict=True))}


def device_difference(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Compare thickness with the device's own lines, column by column: bias and 95 % limits."""
    found = {}
    for name in ("line_scan", "circle_scan"):
        table = measure(folder / f"{name}.vol", model="oct-layers").find_table("device")
        rows = [] if table is None else table.as_rows()
        found[name] = [{column: row[column] for column in COMPARED} for row in rows]
    return found


def etdrs_beside_eyepy() -> list[dict[str, Any]]:
    """Measure the ETDRS subfields of one phantom's mask here and with eyepy."""
    volume = phantom_volume(slices=27, columns=535)  # as wide as high, as eyepy's map needs it
    found = measure(
        volume.image, volume.labels, scheme="oct-layers", laterality="OD", fovea=(13, 267)
    )
    rows = []
    for band in find_bands(OCT_LAYERS):
        inside = (volume.labels > band.upper) & (volume.labels <= band.lower)
        ours, means = found.etdrs[band.abbreviation], eyepy_means(volume, inside)
        pairs = [(ours.find(name).mean, mean) for name, mean in means.items()]
        difference = np.array([own - other for own, other in pairs])
        rows.append(
            {
                "band": band.abbreviation,
                "mean µm": float(np.mean([own for own, _ in pairs])),
                "eyepy mean µm": float(np.mean([other for _, other in pairs])),
                "mean difference µm": float(difference.mean()),
                "largest difference µm": float(np.abs(difference).max()),
                "in": list(means)[int(np.abs(difference).argmax())],
            }
        )
    return rows


def eyepy_means(volume: Phantom, inside: np.ndarray) -> dict[str, float]:
    """Return eyepy's mean thickness in µm by the names that the subfields have here."""
    from eyepy import EyeBscanMeta, EyeVolume, EyeVolumeMeta

    slices, _, columns = inside.shape
    sizes = volume.image.spacing
    step, axial, lateral = (size.um / 1000 for size in (sizes.slice, sizes.axial, sizes.lateral))
    places = [
        EyeBscanMeta((0, k * step), (lateral * (columns - 1), k * step), "mm")
        for k in reversed(range(slices))  # the first B-scan is the lowest
    ]
    meta = EyeVolumeMeta(
        scale_x=lateral, scale_y=axial, scale_z=step, scale_unit="mm", bscan_meta=places,
        laterality="OD", intensity_transform="default",
    )  # fmt: skip
    drawn = EyeVolume(volume.image.pixels.astype(np.float32), meta).add_pixel_annotation(
        inside, name="band", color="FF0000", radii=(0.5, 1.5, 3.0), n_sectors=(1, 4, 4),
        rotation=(0, 45, 45),
    )  # fmt: skip
    sides = ("last-slice side", "temporal", "first-slice side", "nasal")
    names = ["central", *(f"{ring} {side}" for ring in ("inner", "outer") for side in sides)]
    rows = drawn.enface
    return {
        name: 1000 * axial * float(np.average(rows[mask > 0], weights=mask[mask > 0]))
        for name, mask in zip(names, drawn.masks.values(), strict=True)
    }


def vessel_figures(folder: Path) -> list[dict[str, Any]]:
    """Measure both observers' masks of the test photographs."""
    figures = []
    for image in read_dataset(folder):
        if image.split != "test":
            continue
        field = detect_fov(image.pixels()).pixels
        masks = (image.read_labels(), image.references["second_observer"]())
        both = [measure_vessels(mask > 0, field=field) for mask in masks]
        row = {"image": image.name, "first": summary(both[0]), "second": summary(both[1])}
        peer = by_skan(both[0].mask)
        if peer:
            row["skan"] = peer
        figures.append(row)
        print(row, flush=True)
    return figures


def summary(vessels: Vessels) -> dict[str, float]:
    segments = vessels.segments
    long = [one for one in segments if len(one.path) >= 20]
    return {
        "area density %": 100 * vessels.density.area,
        "length px": sum(one.length for one in segments),
        "calibre px": float(np.nanmedian([one.calibre for one in segments])),
        "tortuosity": float(np.nanmean([one.tortuosity for one in long])),
        "fractal dimension": vessels.fractal.value if vessels.fractal else float("nan"),
        "bifurcations": sum(not one.is_crossing for one in vessels.branchings),
        "segments": len(segments),
    }


def by_skan(mask: np.ndarray) -> dict[str, float]:
    """Measure a skeleton by skan: it neither smooths paths nor takes out side lines."""
    try:
        import skan
    except ImportError:
        return {}
    from skimage.morphology import skeletonize

    branches = skan.summarize(skan.Skeleton(skeletonize(mask)), separator="_")
    chord = branches.euclidean_distance
    long = (branches.branch_distance >= 20) & (chord > 0)
    ratio = branches.branch_distance[long] / chord[long]
    return {
        "length px": float(branches.branch_distance.sum()),
        "tortuosity": float(ratio.mean()),
        "segments": len(branches),
    }


def page(results: dict[str, Any]) -> str:
    parts = [HEAD]
    if "layers" in results:
        parts += [LAYERS, layer_table(results["layers"])]
    if "device" in results:
        parts += [DEVICE, device_table(results["device"])]
    if "etdrs" in results:
        parts += [ETDRS, etdrs_table(results["etdrs"])]
    if "vessels" in results:
        parts += [VESSELS, vessel_table(results["vessels"])]
    return "\n".join(parts) + "\n"


def layer_table(layers: dict[str, Any]) -> str:
    ours, second = layers["oct-layers"], layers["second tracing"]
    rows = [
        [
            band,
            f"{ours['error px'][band]:.2f}",
            f"{second['error px'][band]:.2f}",
            f"{ours['stated SD px'][band]:.2f}",
            f"{100 * ours['within 1.96 SD'][band]:.0f} %",
        ]
        for band in BANDS
    ]
    header = (
        "layer or total",
        f"`oct-layers`, {ours['images']} test scans, px",
        f"second tracing, {second['images']} scans, px",
        "stated SD, px",
        "columns within 1.96 SD",
    )
    return markdown_table(header, rows)


def device_table(scans: dict[str, list[dict[str, Any]]]) -> str:
    rows = [
        [f"`{name}.vol`", row["abbreviation"], str(row["columns"])]
        + [f"{row[column]:+.1f}" if "−" in column else f"{row[column]:.1f}" for column in NUMBERS]
        for name, compared in scans.items()
        for row in compared
    ]
    return markdown_table(("scan", *COMPARED), rows)


def etdrs_table(bands: list[dict[str, Any]]) -> str:
    header = ("layer or total", "mean of the subfields [µm]", "eyepy [µm]", "mean difference [µm]",
              "largest difference [µm]", "in")  # fmt: skip
    rows = [
        [
            row["band"],
            f"{row['mean µm']:.2f}",
            f"{row['eyepy mean µm']:.2f}",
            f"{row['mean difference µm']:+.2f}",
            f"{row['largest difference µm']:.2f}",
            row["in"],
        ]
        for row in bands
    ]
    return markdown_table(header, rows)


def vessel_table(figures: list[dict[str, Any]]) -> str:
    rows = []
    for name in figures[0]["first"]:
        first, second = (
            np.array([row[who][name] for row in figures]) for who in ("first", "second")
        )
        peer = [row["skan"][name] for row in figures if name in row.get("skan", {})]
        rows.append(
            [
                name,
                f"{first.mean():.4g}",
                f"{second.mean():.4g}",
                f"{np.abs(second - first).mean():.3g}",
                f"{np.mean(peer):.4g}" if peer else "",
            ]
        )
    header = (
        "mean over the photographs",
        "reference",
        "second observer",
        "mean absolute difference",
        "skan on the reference",
    )
    return markdown_table(header, rows)


HEAD = """# How right measurements are

Written by `benchmarks/measurements.py`. What is measured on drawings of known thickness, width,
arc, angle and dimension is in `tests/measurement`, with the errors that are allowed there: a
slanting band of 2.4 to 10.3 px is measured to 0.2 px, one along the rows to a pixel, since a mask
does not say where between pixels its edge was."""
LAYERS = """
## Thickness of layers

Mean absolute error of the thickness in a column, against the expert's first tracing
(`oct_layers`, Tian et al. 2015); the second tracing is of the same six scans by the same expert.
The size of a pixel is not in these files: about 3.87 µm on a Spectralis. The stated SD is the one
that the model's probabilities give; if it were right, 95 % of the columns would lie within 1.96 of
it.
"""
DEVICE = """
Against the device's own lines, column by column in two scans of a Spectralis (Bland and Altman
1986): `measure` draws the plot in the report of a scan. Neighbouring columns resemble each other,
so that the number of columns says nothing about how sure the mean is.
"""
ETDRS = """
## ETDRS grid

The nine subfields of one mask, that of a phantom of 27 B-scans 240 µm apart, measured here and with
eyepy. eyepy takes the nearest B-scan at each place of the grid, `measure` interpolates between two.
"""
VESSELS = """
## Vessels

CHASE_DB1's test photographs, both observers' masks, inside the field of view. skan measures the
reference's skeleton as it is: its lengths follow the steps of pixels and it keeps short side
lines, so that it has more and less straight segments.
"""


if __name__ == "__main__":
    main()
