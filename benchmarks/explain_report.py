"""Tables, curves and the guide on maps of evidence, from the figures of ``explain.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from explain_curves import SHARES
from tables import markdown_table

from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.models.registry import BUNDLED, list_models
from napari_retina_seg.reports._plots import figure_png
from napari_retina_seg.saliency.slice_explainer import RECOMMENDED_METHOD, recommended_method
from napari_retina_seg.saliency.split_network import RECOMMENDED_LAYER

CURVES = ("insertion", "deletion")
OFFERED = f"{RECOMMENDED_LAYER}, {RECOMMENDED_METHOD.value}"


def write_documents(results: Mapping[str, Any], root: Path) -> None:
    guide = (root / "docs/explain_template.md").read_text(encoding="utf-8")
    parts = {
        "summary": summary(results),
        "favoured": favoured(results),
        "points": point_table(results),
        "favoured points": favoured_for_points(results),
        "cascade": cascade_table(results),
        "models": "\n\n".join(map_tables(results)),
        "not measured": not_measured(results),
    }
    for name, text in parts.items():
        guide = guide.replace(f"<!-- {name} -->", text)
    (root / "docs/explain.md").write_text(guide, encoding="utf-8")
    (root / "docs/images/explain_curves.png").write_bytes(figure_png(draw_curves(results)))


def not_measured(results: Mapping[str, Any]) -> str:
    """Say which models of the package have been trained further since the figures were made."""
    measured = {model["weights_sha256"] for model in results.values()}
    later = [
        f"`{model.name}`"
        for model in list_models()
        if model.path.is_relative_to(BUNDLED) and model.spec.weights_sha256 not in measured
    ]
    if not later:
        return ""
    return (
        f"Not measured yet: {', '.join(later)}. Tables and curves show what each went on from, a"
        " model of the same architecture, under its own name."
    )


def score(figures: Mapping[str, Any]) -> float:
    """How much sooner the class comes by the map's order than it goes: insertion - deletion."""
    return float(np.mean(figures["insertion"]) - np.mean(figures["deletion"]))


def summary(results: Mapping[str, Any]) -> str:
    """Return a table of methods and places, as means over all models that have the place."""
    names = sorted({name for model in results.values() for name in model["maps"]}, key=order)
    rows = []
    for name in names:
        found = [model["maps"][name] for model in results.values() if name in model["maps"]]
        rows.append((name, found))
    return markdown_table(
        [
            "layer, method",
            "models",
            "insertion",
            "deletion",
            "difference",
            "mass inside",
            "mass near",
            "like an untrained network's",
        ],
        [[name, str(len(found)), *cells(found)] for name, found in rows],
    )


def favoured(results: Mapping[str, Any]) -> str:
    """Say which layer and method are offered first, and which would be by the figures."""
    common = set.intersection(*(set(model["maps"]) for model in results.values()))
    merits = {}
    for name in common:
        found = [model["maps"][name] for model in results.values()]
        if not name.startswith("decoder 0") and "likeness" in found[0]:
            merits[name] = np.mean(
                [score(each) + each["near"] - each["likeness"] for each in found]
            )
    best = sorted(merits, key=merits.__getitem__, reverse=True)[:3]
    if best[0] != OFFERED:
        raise SystemExit(f"The figures favour '{best[0]}', but '{OFFERED}' is offered first.")
    beaten = [
        f"`{name}`"
        for name, model in results.items()
        if score(model["maps"][OFFERED]) < score(model["maps"]["edges"])
    ]
    exceptions = f" It does worse than the image's edges for {', '.join(beaten)}." if beaten else ""
    ranking = ", ".join(f"*{name}* ({merits[name]:.2f})" for name in best)
    return (
        f"Offered first is **{OFFERED}**: among the layers that every model has, without the finest"
        " decoder, it has the largest difference plus mass near, less the likeness to an untrained"
        " network's map (which is what the image and the question give by themselves), as a mean"
        f" over the models. The best three: {ranking}.{exceptions}"
    )


def point_table(results: Mapping[str, Any]) -> str:
    """Return how a class's probability at a point follows a map, as means over all models."""
    names = sorted({name for model in results.values() for name in model["points"]}, key=order)
    rows = []
    for name in names:
        found = [model["points"][name] for model in results.values() if name in model["points"]]
        means = [np.mean([np.mean(each[key]) for each in found]) for key in CURVES]
        values = [f"{value:.2f}" for value in (*means, means[0] - means[1])]
        rows.append([name, str(len(found)), *values, like_untrained(found)])
    header = ["layer, method", "models", *CURVES, "difference", "like an untrained network's"]
    return markdown_table(header, rows)


def favoured_for_points(results: Mapping[str, Any]) -> str:
    """Say which method is offered first for a point, and why."""
    merits = {}
    for method in Method:
        name = f"{RECOMMENDED_LAYER}, {method.value}"
        found = [model["points"][name] for model in results.values()]
        merits[method] = np.mean([score(each) - each["likeness"] for each in found])
    offered = recommended_method(whole_class=False)
    best = max(merits, key=merits.__getitem__)
    if best is not offered:
        raise SystemExit(f"The figures favour {best} for points, but {offered} is offered first.")
    return (
        f"Offered first for a point or a region is **{offered.value}**: at {RECOMMENDED_LAYER} it"
        " has the largest difference less the likeness."
    )


def cascade_table(results: Mapping[str, Any]) -> str:
    """Return how like the offered map stays, stage by stage forgotten from the top."""
    steps = dict.fromkeys(step for model in results.values() for step in model["cascade"])
    ordered = sorted(steps, key=order, reverse=True)
    rows = [
        [
            f"{step} and above",
            *(
                f"{model['cascade'][step]['rank correlation']:.2f}"
                if step in model["cascade"]
                else ""
                for model in results.values()
            ),
        ]
        for step in ordered
    ]
    deep = max(
        figures["rank correlation"]
        for model in results.values()
        for step, figures in model["cascade"].items()
        if not step.startswith("decoder")
    )
    table = markdown_table(["forgotten", *(f"`{name}`" for name in results)], rows)
    return f"{table}\n\nOnce the bottleneck is forgotten, too, it is nowhere above {deep:.2f}."


def map_tables(results: Mapping[str, Any]) -> list[str]:
    header = ["layer, method", "insertion", "deletion", "difference", "mass inside", "mass near"]
    return [
        f"### {name}\n\nClasses asked about: {', '.join(dict.fromkeys(model['classes']))}.\n\n"
        + markdown_table(
            [*header, "like an untrained network's"],
            [[each, *cells([model["maps"][each]])] for each in sorted(model["maps"], key=order)],
        )
        for name, model in results.items()
    ]


def cells(found: list[Mapping[str, Any]]) -> list[str]:
    values = [
        np.mean([np.mean(each["insertion"]) for each in found]),
        np.mean([np.mean(each["deletion"]) for each in found]),
        np.mean([score(each) for each in found]),
        np.mean([each["inside"] for each in found]),
        np.mean([each["near"] for each in found]),
    ]
    return [*(f"{value:.2f}" for value in values), like_untrained(found)]


def like_untrained(found: list[Mapping[str, Any]]) -> str:
    likeness = [each["likeness"] for each in found if "likeness" in each]
    return f"{np.mean(likeness):.2f}" if likeness else ""


def order(name: str) -> tuple[int, int, str]:
    """Sort as the network computes: encoders, bottleneck, decoders; then what it does not."""
    place, _, method = name.partition(", ")
    kind, _, level = place.partition(" ")
    depth = int(level) if level else 0
    ranks = {"encoder": (0, depth), "bottleneck": (1, 0), "decoder": (2, -depth)}
    return (*ranks.get(kind, (3, 0)), method)


def draw_curves(results: Mapping[str, Any]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.6 * -(-len(results) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(results) // 3), 3, sharex=True, sharey=True, squeeze=False)
    for axis in axes.ravel()[len(results) :]:
        axis.set_axis_off()
    percent = [100 * share for share in SHARES]
    shown = {OFFERED: "#0072b2", "edges": "#d55e00", "random": "0.5"}
    for axis, (name, model) in zip(axes.ravel(), results.items(), strict=False):
        for key, color in shown.items():
            figures = model["maps"][key]
            axis.plot(percent, figures["insertion"], color=color, label=f"{key}: shown first")
            axis.plot(
                percent, figures["deletion"], "--", color=color, label=f"{key}: removed first"
            )
        axis.set(title=name, ylim=(0, 1), xscale="log", xticks=percent)
        axis.set_xticklabels([f"{value:.0f} %" for value in percent])
        axis.minorticks_off()
    lines = axes[0, 0].get_legend_handles_labels()
    figure.legend(*lines, loc="lower right", ncols=2, bbox_to_anchor=(0.98, 0.12))
    figure.supylabel("Dice of the class to the whole image's")
    figure.supxlabel("pixels by the map's order")
    return figure
