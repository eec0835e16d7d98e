"""``--max-pixels``, an option of all commands that open files."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Maximum number of pixels in a file, all slices counted; by default 537 million."
        " A small file that claims more may be damaged or malicious.",
    ),
]


def opens_files(command: Command) -> Command:
    """Add the option ``--max-pixels`` to a command, for all files it opens."""

    @functools.wraps(command)
    def limited_command(*args: Any, max_pixels: int | None = None, **options: Any) -> Any:
        from napari_retina_seg import io

        before = io.max_pixels()
        io.set_max_pixels(max_pixels or before)
        try:
            return command(*args, **options)
        finally:
            io.set_max_pixels(before)

    # Typer derives options from signature and annotations.
    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter(
        "max_pixels", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=MaxPixels
    )
    parameters = [*signature.parameters.values(), option]
    limited_command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    limited_command.__annotations__ = {**command.__annotations__, "max_pixels": MaxPixels}
    return limited_command  # type: ignore[return-value]
