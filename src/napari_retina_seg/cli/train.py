"""``train``: a network by its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retina_seg.cli.console import Bar, interruptible, start_engine


def train_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe, e.g. recipes/oct-layers.toml.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds its data sets.")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="New folder for the model and the log.")],
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Begin with the best weights of this run; by default with none."
        ),
    ] = None,
) -> None:
    """Train a network by a recipe."""
    from napari_retina_seg.models.recipe import Recipe

    wanted = Recipe.read(recipe)
    start_engine()
    from napari_retina_seg.engine.train import BEST_WEIGHTS, train

    weights = start_from / BEST_WEIGHTS if start_from else None

    with Bar(1) as bar, interruptible() as token:
        model = bar.walk(train(wanted, data, out, token, weights), wanted.name)
    typer.echo(f"The model '{model.name}' is in '{model.path}'.")
