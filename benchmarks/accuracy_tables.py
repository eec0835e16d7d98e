"""The tables of ``docs/accuracy.md`` and the README, from files that benchmarks wrote."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tables import markdown_table, replace_section

from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import FORMER_NAMES, SHORT_NAMES

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs/accuracy.json"
RUNS = ROOT / "docs/runs"

LAYERS = {
    "Dice": "dice",
    "IoU": "iou",
    "pixel accuracy": "accuracy",
    "boundary error px": "boundary_error_px",
    "ECE": "ece",
}
VESSELS = {
    "F1": "dice",
    "AUC": "auc",
    "AP": "average_precision",
    "IoU": "iou",
    "MCC": "mcc",
    "sensitivity": "recall",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "clDice": "centreline_dice",
    "interruptions": "interruptions",
    "ECE": "ece",
}
LESIONS = {
    "Dice": "dice",
    "detection AUC": "detection_auc",
    "area error": "area_error",
    "area bias": "area_bias",
}
LESION_SET = "kermany_lesions test"
SECOND = "second_observer"
SHORT = {model: name for name, model in SHORT_NAMES.items()}
RECIPES = {model: recipe for recipe, model in FORMER_NAMES.items()}  # that they follow


def write_documents(results: dict[str, Any]) -> None:
    summary = summary_tables(results)
    text = (ROOT / "docs/accuracy_template.md").read_text()
    text = text.replace("<!-- summary -->", summary)
    text = text.replace("<!-- trained -->", training_table(results))
    text = text.replace("<!-- ablation -->", ablation_table())
    text = text.replace("<!-- detail -->", detail_tables(results))
    text = text.replace("<!-- choice -->", choice_table())
    text = text.replace("<!-- left out -->", left_out_tables())
    (ROOT / "docs/accuracy.md").write_text(text)
    ours = {
        name: result
        for name, result in results.items()
        if name in (*SHORT, "second tracing", SECOND)
    }
    tables = filter(None, [cameras_table(), summary_tables(ours)])
    replace_section(ROOT / "README.md", "accuracy", "\n\n".join(tables))


def summary_tables(results: dict[str, Any]) -> str:
    tables = layers_table(results), vessels_table(results), lesions_table(results)
    return "\n\n".join(filter(None, tables))


def layers_table(results: dict[str, Any]) -> str:
    columns = ["Dice", "Dice pooled", "IoU", "pixel accuracy", "boundary error px", "ECE"]
    rows = [
        row(name, result["figures"][dataset], columns)
        for dataset in ("oct_layers test", "oct_layers, six images")
        for name, result in ranked(results, dataset, "Dice")
    ]
    return markdown_table(["OCT layers", "images", *columns], rows)


def vessels_table(results: dict[str, Any]) -> str:
    columns = [*VESSELS]
    rows = [
        row(name, result["figures"][dataset], columns, dataset.removesuffix(" test"))
        for dataset in ("CHASE_DB1 test", "HRF test")
        for name, result in ranked(results, dataset, "F1")
    ]
    return markdown_table(["vessels, inside the field of view", "images", *columns], rows)


def lesions_table(results: dict[str, Any]) -> str:
    """Return what is pooled over all images, class by class, with intervals over patients."""
    rows = [
        [
            f"{part}, `{name}`",
            f"{values['images']} of {result['figures'][LESION_SET]['images']}",
            *(between(values[column]) if column in values else "" for column in LESIONS),
        ]
        for name, result in results.items()
        if LESION_SET in result["figures"]
        for part, values in result["figures"][LESION_SET]["by class"].items()
    ]
    return markdown_table(["lesions", "images with it", *LESIONS], rows) if rows else ""


def between(values: list[float]) -> str:
    value, *limits = (f"{number:.2f}" for number in values)
    return f"{value} ({' to '.join(limits)})" if limits else value


def ranked(results: dict[str, Any], dataset: str, key: str) -> list[tuple[str, dict[str, Any]]]:
    having = [(name, result) for name, result in results.items() if dataset in result["figures"]]
    return sorted(having, key=lambda pair: -pair[1]["figures"][dataset][key])


def row(name: str, values: dict[str, Any], columns: Sequence[str], where: str = "") -> list[str]:
    human = {
        "second tracing": "second human tracing of identical images",
        SECOND: "second human observer",
    }
    called = f"`{name}` (`{SHORT[name]}`)" if name in SHORT else f"`{name}`"
    shown = human.get(name, called) + (f", {where}" if where else "")
    cells = ("" if column not in values else figure(values[column], column) for column in columns)
    return [shown, str(values["images"]), *cells]


def figure(value: float, column: str) -> str:
    decimals = 1 if column == "interruptions" else 2 if column.endswith("px") else 3
    return f"{value:.{decimals}f}"


def training_table(results: dict[str, Any]) -> str:
    published = json.loads((Path(__file__).parent / "published.json").read_text())
    rows = []
    for name, result in results.items():
        record = result.get("training")
        if record is None or name in SHORT:
            continue
        recipe = RECIPES.get(name, name)
        rows.append(
            [
                f"`{recipe}`",
                f"{record['parameters'] / 1e6:.2f} M",
                f"{record['epochs']} epochs, {record['steps']} steps",
                f"{record['seconds'] / 60:.0f} min",
                changes(recipe),
                f"`{name}`" if result["in the package"] else "no",
                published.get(recipe, ""),
            ]
        )
    header = [
        "recipe",
        "parameters",
        "trained for",
        "time",
        "changed from its recipe",
        "in the package",
        "the paper's own figure",
    ]
    return markdown_table(header, rows)


def changes(name: str) -> str:
    """Say how the recipe that was run differs from the one that comes with the program."""
    run = RUNS / f"{name}.toml"
    if not run.is_file():
        return ""
    as_shipped = tomllib.loads(Recipe.read(Path(name)).toml())
    as_run = tomllib.loads(run.read_text())
    return ", ".join(differences(as_shipped, as_run)) or "nothing"


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            yield from differences(old, value, f"{prefix}{key}.")
        elif value != old and (value or key in before):  # an option that is gone did nothing
            yield f"{prefix}{key} = {value}" + (f" (was {old})" if old is not None else "")


def ablation_table() -> str:
    path = ROOT / "docs/ablation.json"
    rows = []
    for name, result in json.loads(path.read_text()).items() if path.is_file() else ():
        cells = [f"{set_name}: {headline(values)}" for set_name, values in result["test"].items()]
        origin = f" (after `{result['from']}`)" if "from" in result else ""
        validation = figure(result["validation Dice"], "")
        rows.append([f"`{name}`{origin}: {result['idea']}", validation, "; ".join(cells)])
    return markdown_table(["run", "validation Dice", "test"], rows)


def left_out_tables() -> str:
    """Return what `leave_one_out.py` found: a camera, then each patient, that was not learnt."""
    return "\n\n".join(filter(None, [cameras_table(), patients_table()]))


def left_out(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the trainings of a kind, by what they learnt from or without."""
    path = ROOT / "docs/leave_one_out.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    return [(name.removeprefix(kind), one) for name, one in found.items() if name.startswith(kind)]


def cameras_table() -> str:
    columns = ("F1", "AUC", "clDice")
    rows = [
        [
            name.replace("-", " and "),
            tested,
            "" if tested in name else "never seen",
            *(figure(values[key], key) for key in columns),
        ]
        for name, result in left_out("vessels-")
        for tested, values in result["test"].items()
    ]
    header = ["vessels, learnt from one camera", "tested on", "", *columns]
    return markdown_table(header, rows) if rows else ""


def patients_table() -> str:
    columns = ("Dice", "boundary error px")
    eyes = [pair for _, result in left_out("layers-") for pair in result["test"].items()]
    if not eyes:
        return ""
    rows = [[patient, *(figure(one[key], key) for key in columns)] for patient, one in eyes]
    values = {key: np.array([one[key] for _, one in eyes]) for key in columns}
    spread = [f"{each.mean():.3f} ± {each.std(ddof=1):.3f}" for each in values.values()]
    rows.append(["mean ± standard deviation", *spread])
    return markdown_table(["layers, patient left out", *columns], rows)


def choice_table() -> str:
    """Return what `choose_vessels.py` compared."""
    rows = [
        [
            f"{row['share']:.0%}",
            f"{row['threshold']:.2f}",
            figure(row["known"], ""),
            figure(row["simulated"], ""),
        ]
        for row in json.loads((ROOT / "docs/vessels_choice.json").read_text())["rows"]
    ]
    header = ["share of the parent", "threshold", "F1, known cameras", "F1, simulated cameras"]
    return markdown_table(header, rows)


def headline(values: dict[str, Any]) -> str:
    columns = ("Dice", "boundary error px", "F1", "AUC")
    return ", ".join(f"{c} {figure(values[c], c)}" for c in columns if c in values)


def detail_tables(results: dict[str, Any]) -> str:
    layers = results[SHORT_NAMES["oct-layers"]]["figures"]["oct_layers test"]
    by_class = [[name, figure(dice, "")] for name, dice in layers["Dice by class"].items()]
    errors = layers["boundary error px by boundary"]
    by_boundary = [[name, figure(error, "px")] for name, error in errors.items()]
    return "\n\n".join(
        (
            markdown_table(["class", "Dice"], by_class),
            markdown_table(["boundary", "mean error, px"], by_boundary),
        )
    )
