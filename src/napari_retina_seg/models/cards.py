"""Model cards."""

from __future__ import annotations

from html import escape

from napari_retina_seg.models.spec import ModelSpec
from napari_retina_seg.types.text import displayed


def card_lines(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Return the card as headings and texts."""
    classes = ", ".join(label.abbreviation for label in spec.scheme.classes[1:])
    measured = "; ".join(
        f"{dataset}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
        for dataset, figures in spec.metrics.items()
    )
    return (
        ("Draws", f"{spec.title} ({classes})"),
        ("Learnt from", spec.training_data),
        *(
            (f"Began with {ancestor.name}", f"which learnt from {ancestor.training_data}")
            for ancestor in spec.ancestors
        ),
        ("Measured", measured or "not measured"),
        *(("Warning", text) for text in (spec.training.warnings if spec.training else ())),
        ("Note", spec.description or "none"),
        ("Licence", spec.licence),
    )


def card_markdown(spec: ModelSpec) -> str:
    """Return the card as Markdown, with a summary of the training."""
    sections = [f"# {spec.name}", *(f"**{heading}.** {text}" for heading, text in card_lines(spec))]
    if spec.training is not None:
        record = spec.training
        sections.append(
            f"**Training.** {record.data}; {record.epochs} epochs, {record.steps} steps in"
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
