"""``train``: a network by its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retina_seg.cli.console import Bar, interruptible, say, start_engine
from napari_retina_seg.cli.data_options import GroupPattern, Groups, Remap, read_options
from napari_retina_seg.core.errors import WriteError
from napari_retina_seg.core.progress import Cancelled


def train_command(
    recipe: Annotated[
        Path,
        typer.Argument(help="A recipe of the program, e.g. unet-drive, or a TOML file."),
    ],
    data: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="A data set, or a folder of data sets; may be repeated."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="RUN", help="New folder for the model and its log."),
    ],
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe, e.g. epochs=1; may be repeated."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped or killed.")
    ] = False,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Begin with the best weights of this run; by default with none."
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
            help="Share of the patients for validation, where the data do not say.",
        ),
    ] = 0.2,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out files that can't be read, and name them.")
    ] = False,
) -> None:
    """Train a network by a recipe, on your data or on published data sets."""
    from napari_retina_seg.data.layouts import read_data
    from napari_retina_seg.data.split import group_remark, split_images
    from napari_retina_seg.engine.run_folder import RunFolder
    from napari_retina_seg.models.overrides import parse_overrides
    from napari_retina_seg.models.recipe import Recipe

    wanted = Recipe.read(recipe, parse_overrides(change or [], Recipe))
    run = RunFolder(out)
    weights = RunFolder(start_from).best_weights if start_from else None
    start_engine()
    from napari_retina_seg.engine.train import check_run, train, vet_split

    check_run(run, wanted, weights, resume=resume)
    images = read_data(data, wanted.datasets, read_options(group_pattern, groups, remap))
    remark = group_remark(images)
    if remark:
        say(remark)
    present = {image.dataset for image in images}
    named = [group for group in wanted.validation if group.split("/")[0] in present]
    split = split_images(images, seed=wanted.seed, validation_groups=named, share=share)
    with Bar(1) as bar, interruptible() as token:
        checked = bar.walk(
            vet_split(wanted, split, skip_bad=skip_bad, token=token), "Looking at the images"
        )
        split, skipped = checked
        for sentence in skipped:
            bar.say(f"Left out: {sentence}")
        job = train(wanted, split, run, token=token, start_from=weights, resume=resume)
        try:
            model = bar.walk(job, wanted.name)
        except (Cancelled, WriteError):
            if run.recipe.is_file():
                say("The run can go on after its last whole epoch: the same command, and --resume.")
            raise
    typer.echo(f"The model '{model.name}' is in '{model.path}', its curves in '{run.curves}'.")
