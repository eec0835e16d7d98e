"""``models``: list, add and remove models, and hand them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import as_cell, echo

if TYPE_CHECKING:
    from napari_retina_seg.models.registry import ModelFolder

app = typer.Typer(
    invoke_without_command=True, help="List, show, add, remove, export and import models."
)


@app.callback()
def models_command(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The full specs as JSON.")] = False,
) -> None:
    """List the models; or add, remove, export or import one."""
    if ctx.invoked_subcommand is not None:
        return
    from napari_retina_seg.models.registry import list_models

    models = list_models()
    if as_json:
        specs = [
            {**model.spec.model_dump(mode="json"), "path": str(model.path)} for model in models
        ]
        typer.echo(json.dumps(specs, indent=2))
    else:
        _print_table(models)


@app.command("add")
def add_command(
    path: Annotated[Path, typer.Argument(help="A model folder: spec.json and weights.")],
) -> None:
    """Add a model by its folder, for 'segment --model' and the window."""
    from napari_retina_seg.models.registry import add_model

    model = add_model(path)
    echo(f"Added '{model.name}' from '{model.path}'.")


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="Name of a model that was added.")],
) -> None:
    """Take an added model from the list; its folder stays as it is."""
    from napari_retina_seg.models.registry import remove_model

    echo(f"Removed '{name}' from the list; its folder '{remove_model(name)}' is still there.")


@app.command("export")
def export_command(
    name: Annotated[str, typer.Argument(help="Name of a model, or path of a model folder.")],
    path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="New archive.")],
) -> None:
    """Write a model with its card into a ZIP archive, to hand it on."""
    from napari_retina_seg.models.archive import export_model
    from napari_retina_seg.models.registry import find_model

    model = find_model(name)
    export_model(model, path)
    echo(f"Exported '{model.name}' to '{path}'. Its licence: {model.spec.licence}.")


@app.command("import")
def import_command(
    path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="An exported model.")],
    folder: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="New folder; by default among your models."),
    ] = None,
) -> None:
    """Unpack a model from a ZIP archive, check it, and add it. Nothing in it is executed."""
    from napari_retina_seg.models.archive import import_model

    model = import_model(path, folder)
    echo(f"Imported '{model.name}' to '{model.path}'. Its licence: {model.spec.licence}.")


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="Name of a model, or path of a model folder.")],
) -> None:
    """Show a model's card: what it is for, and all models, data and licences behind it."""
    from napari_retina_seg.models.cards import card_markdown
    from napari_retina_seg.models.registry import find_model

    echo(card_markdown(find_model(name).spec).rstrip())


def _print_table(models: tuple[ModelFolder, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from napari_retina_seg.models.registry import SHORT_NAMES

    short = {full: name for name, full in SHORT_NAMES.items()}
    table = Table(show_lines=True)
    table.add_column("name", no_wrap=True)  # to be copied into commands
    for header, most in (("images", None), ("classes", 8), ("measured", None), ("licence", 10)):
        table.add_column(header, overflow="fold", max_width=most)
    for model in models:
        spec = model.spec
        measured = "\n".join(
            f"{dataset}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
            for dataset, figures in spec.metrics.items()
        )
        parents = ", then ".join(one.name for one in reversed(spec.ancestors))
        began = f"\nbegan with {parents}" if parents else ""
        cells = (
            spec.name + (f"\n({short[spec.name]})" if spec.name in short else ""),
            spec.modality.value,
            ", ".join(label.abbreviation for label in spec.scheme.classes[1:]),
            (measured or "not measured") + began,
            spec.licence,
        )
        table.add_row(*(as_cell(cell, lines=True) for cell in cells))
    Console().print(table)
