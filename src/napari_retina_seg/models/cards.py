"""Model cards."""

from __future__ import annotations

from html import escape

from napari_retina_seg.models.spec import Ancestor, ModelSpec, Promotion
from napari_retina_seg.types.text import displayed


def card_lines(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Return the card as headings and texts."""
    classes = ", ".join(label.abbreviation for label in spec.scheme.classes[1:])
    measured = "; ".join(
        f"{dataset}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
        for dataset, figures in spec.metrics.items()
    )
    taken_over = spec.training.taken_over if spec.training else ""
    return (
        ("Draws", f"{spec.title} ({classes})"),
        ("Learnt from", spec.training_data),
        *((f"Began with {one.name}", _ancestor(one)) for one in spec.ancestors),
        *((("Other classes", taken_over),) if taken_over else ()),
        ("Measured", measured or "not measured"),
        *(("Warning", text) for text in spec.warnings),
        ("Note", spec.description or "none"),
        *((("Taken into use", _promotion(spec.promotion)),) if spec.promotion else ()),
        ("Licence", spec.licence),
    )


def _ancestor(one: Ancestor) -> str:
    """Return what is known of a model whose weights a training began with."""
    parts = [f"which learnt from {one.training_data}"]
    if one.steps is not None:
        seed = "" if one.seed is None else f", seed {one.seed}"
        parts.append(f"{one.steps} steps{seed}")
    parts.append(f"licence: {one.licence}")
    if one.promotion is not None:
        parts.append(f"taken into use {_promotion(one.promotion)}")
    return "; ".join([*parts, f"weights sha256 {one.weights_sha256[:12]}…"])


def _promotion(one: Promotion) -> str:
    reason = f". {one.reason}" if one.reason else ""
    return f"by {one.by} on {one.at:%Y-%m-%d}{reason}"


def card_markdown(spec: ModelSpec) -> str:
    """Return the card as Markdown, with a summary of the training."""
    sections = [f"# {spec.name}", *(f"**{heading}.** {text}" for heading, text in card_lines(spec))]
    if spec.training is not None:
        record = spec.training
        sections.append(
            f"**Training.** {record.data}; {record.epochs} epochs, {record.steps} steps"
            f"{'' if record.seed is None else f' from seed {record.seed}'} in"
            f" {record.seconds / 60:.0f} minutes ({record.backend}, {record.precision});"
            f" {record.parameters:,} parameters, the weights are those of epoch"
            f" {record.best_epoch}."
        )
    return "\n\n".join(sections) + "\n"


def card_html(spec: ModelSpec) -> str:
    """Return the card as HTML for a label."""
    return "".join(
        f"<p><b>{escape(heading)}</b> {escape(displayed(text, lines=True))}</p>"
        for heading, text in card_lines(spec)
    )
