"""``project move`` and ``password``: the server with the records of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError, echo
from napari_retina_seg.cli.project import Folder

if TYPE_CHECKING:
    from sqlalchemy import URL


def move_command(
    folder: Folder,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="An empty PostgreSQL database, postgresql://host/name, or 'sqlite' for a file in"
            " the project's folder.",
        ),
    ],
) -> None:
    """Move the records of a project to another database; close its windows first.

    Images and masks stay where they are. All records are compared before the new database counts,
    and the former ones are kept.
    """
    from napari_retina_seg.project.moving import move_records

    echo(move_records(folder, None if database == "sqlite" else database))


def password_command(
    project: Annotated[
        str,
        typer.Argument(metavar="PROJECT", help="The project's folder, or postgresql://host/name."),
    ],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the password that is kept.")
    ] = False,
) -> None:
    """Keep your password for a project's server in the keyring of this computer."""
    from napari_retina_seg.project.passwords import account_of, forget_password, remember_password

    url = _find_address(project)
    if remove:
        forget_password(url)
        echo(f"Removed the password for {account_of(url)} from the keyring.")
        return
    password = typer.prompt(f"Password for {account_of(url)}", hide_input=True, err=True)
    remember_password(url, password)
    echo(f"The password for {account_of(url)} is in the keyring of this computer.")


def _find_address(project: str) -> URL:
    from napari_retina_seg.project.address import parse_address, read_address

    if "://" in project:
        return parse_address(project)
    found = read_address(Path(project))
    if found is None:
        raise UsageError(f"'{project}' has no records on a server, so it needs no password.")
    return found[0]
