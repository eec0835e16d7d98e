"""``project member``: who works on a study, as the server enforces it."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_retina_seg.cli.console import as_cell, echo
from napari_retina_seg.cli.project import Author, Folder, open_project
from napari_retina_seg.project.roles import Role

app = typer.Typer(
    no_args_is_help=True,
    help="Say who works on a study whose records are on a server, and in which role.",
    # Here "reader" is a role, not the former name of an option: Click renames values, too.
    context_settings={"token_normalize_func": str},
)
Login = Annotated[
    str, typer.Argument(metavar="LOGIN", help="Name of an existing login of the server.")
]


@app.command("add")
def add_command(
    folder: Folder,
    login: Login,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The person's name, with which versions are saved.")
    ],
    author: Author,
    role: Annotated[
        Role, typer.Option(help="What they may do; an adjudicator also grades.")
    ] = Role.GRADER,
) -> None:
    """Add a member, or change one; only the owner of the study can.

    From the first one on the server enforces what members may see and do, also if they use another
    program, and nobody else has access but the owner.
    """
    with open_project(folder, author) as project:
        member = project.add_member(login, name, role)
    echo(f"'{member.login}' is {member.name}, {member.role} of this study.")


@app.command("remove")
def remove_command(folder: Folder, login: Login, author: Author) -> None:
    """Take a member's access to a study; their versions stay."""
    with open_project(folder, author) as project:
        project.remove_member(login)
    echo(f"'{login}' has no access to this study any more.")


@app.command("list")
def list_command(folder: Folder, author: Author) -> None:
    """List the members of a study with their logins and roles."""
    with open_project(folder, author) as project:
        members = project.members()
    if not members:
        echo("This study has no members: the server enforces no roles.")
    for member in members:
        echo(f"{as_cell(member.name)}  {as_cell(member.login)}  {member.role}")
