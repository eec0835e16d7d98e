"""``train``: train a network from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import (
    Bar,
    UsageError,
    as_cell,
    echo,
    interruptible,
    say,
    start_engine_alone,
)
from napari_retina_seg.cli.data_options import (
    GroupPattern,
    Groups,
    Remap,
    SkipBad,
    read_options,
)
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.progress import Cancelled

if TYPE_CHECKING:
    from napari_retina_seg.models.recipe import Recipe
    from napari_retina_seg.training.run_folder import RunFolder


def train_command(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="fine-tune to go on with a model, the name of a built-in recipe such as"
            " unet-drive, or a TOML file."
        ),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A data set, or a folder of data sets; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="New folder for the model and its log."),
    ] = None,
    describe: Annotated[
        bool,
        typer.Option(
            "--describe",
            help="Show all keys of the recipe, with what they mean, and train nothing.",
        ),
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe, e.g. epochs=1; may be repeated."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume a run that was stopped or killed.")
    ] = False,
    start_from: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Start from the weights of a model (its name or folder), of an earlier run, or of"
            " a .h5 file; by default from scratch.",
        ),
    ] = None,
    group_pattern: GroupPattern = None,
    groups: Groups = None,
    remap: Remap = None,
    share: Annotated[
        float,
        typer.Option(
            "--validation-share",
            min=0.01,
            max=0.9,
            help="Share of patients for validation, if the data have no split.",
        ),
    ] = 0.2,
    skip_bad: SkipBad = False,
) -> None:
    """Train a network from a recipe, on your data or on published data sets."""
    from napari_retina_seg.models.overrides import parse_overrides
    from napari_retina_seg.models.recipe import Recipe
    from napari_retina_seg.training.fine_tuning import read_recipe
    from napari_retina_seg.training.run_folder import RunFolder
    from napari_retina_seg.training.starting_point import find_starting_point

    start = find_starting_point(start_from) if start_from else None
    wanted = read_recipe(recipe, parse_overrides(change or [], Recipe), start)
    if describe:
        _print_keys(wanted)
        return
    if not data or out is None:
        missing = "--out" if data else "--data"
        raise UsageError(f"The training needs {missing}: see napari-retina-seg train --help.")
    run = RunFolder(out)
    # Ctrl-C is handled from here on: some libraries swallow it while loading.
    with interruptible() as token:
        start_engine_alone(training=True)
        from napari_retina_seg.training.encoder_weights import find_encoder_weights
        from napari_retina_seg.training.other_classes import describe_other_classes
        from napari_retina_seg.training.train import (
            check_run,
            iter_train,
            iter_validate_split,
            plan_split,
        )

        check_run(run, wanted, resume=resume)
        encoder = find_encoder_weights(wanted, is_started=start is not None)
        if encoder is not None:
            say(f"The encoder begins with {encoder.description}.")
        if other := describe_other_classes(wanted.scheme, start):
            say(other)
        options = read_options(group_pattern, groups, remap)
        split, messages = plan_split(wanted, data, options, share)
        for message in messages:
            say(message)
        with Bar(1) as bar:
            checking = iter_validate_split(wanted, split, skip_bad=skip_bad, token=token)
            split, skipped = bar.walk(checking, "Checking the images")
            for sentence in skipped:
                bar.say(f"Left out: {sentence}")
            job = iter_train(
                wanted,
                split,
                run,
                token=token,
                start=start,
                encoder=encoder,
                resume=resume,
                left_out=skipped,
            )
            try:
                model = bar.walk(job, wanted.name)
            except (Cancelled, WriteError):
                _report_kept_run(run)
                raise
    for sentence in model.spec.warnings:
        say(sentence)
    echo(f"The model '{model.name}' is in '{model.path}', its curves in '{run.curves}'.")


def _print_keys(recipe: Recipe) -> None:
    from rich.console import Console
    from rich.table import Table

    from napari_retina_seg.models.describe import describe_recipe

    table = Table(show_lines=True)
    for header, narrowest in (("key", 24), ("value", 10), ("default", 8), ("unit", 6)):
        table.add_column(header, overflow="fold", min_width=narrowest)
    table.add_column("meaning", overflow="fold", ratio=1)
    for key in describe_recipe(recipe):
        choices = f" One of {', '.join(key.choices)}." if len(key.choices) > 1 else ""
        cells = (key.key, key.value, key.default, key.unit, f"{key.meaning}{choices}")
        table.add_row(*map(as_cell, cells))
    Console().print(table)


def _report_kept_run(run: RunFolder) -> None:
    if run.log.is_file():
        say(
            f"The best model so far is in '{run.model}'. Run the same command with --resume to"
            " continue after the last complete epoch."
        )
    elif run.recipe.is_file():
        say("No epoch was finished: the same command with --resume starts over.")
