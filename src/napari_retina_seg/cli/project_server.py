"""``project move``, ``join`` and ``password``: where records and files of a project are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError, echo
from napari_retina_seg.cli.project import Author, Folder

if TYPE_CHECKING:
    from sqlalchemy import URL


def move_command(
    folder: Folder,
    author: Author,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Move the records to an empty PostgreSQL database, postgresql://host/name, or"
            " 'sqlite' for a file in the project's folder.",
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Move masks, copies of images and unsaved work to an object store,"
            " s3://bucket/study, or 'folder' for the project's folder.",
        ),
    ] = None,
) -> None:
    """Move the records or the files of a project; close its windows first.

    All are compared before the new place counts, and the former ones are kept.
    """
    if database is None and files is None:
        raise UsageError("Say what to move: --database, --files, or both.")
    from napari_retina_seg.project.moving import move_records
    from napari_retina_seg.project.moving_files import move_files

    def move_database() -> None:
        if database is not None:
            echo(move_records(folder, None if database == "sqlite" else database))

    if database != "sqlite":  # files in an object store need a server
        move_database()
    if files is not None:
        echo(move_files(folder, None if files == "folder" else files, author))
    if database == "sqlite":
        move_database()


def join_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    database: Annotated[
        str,
        typer.Option(metavar="URL", help="The study's database, postgresql://host/name."),
    ],
    author: Author,
) -> None:
    """Make a folder on this computer for a study whose masks are in an object store."""
    from napari_retina_seg.project.moving_files import join_study

    join_study(folder, database, author)
    echo(f"'{folder}' is a folder of the study now: open it like any project.")


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
