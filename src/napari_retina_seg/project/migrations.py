"""Migrations of the tables of a project made by an earlier version.

One list for SQLite and PostgreSQL: each is SQL that both understand, in one transaction with the
new checksums of all rows. Tools that keep a list of their own would be a second one.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, text

Migration = Callable[[Connection], None]


def _add_checks(connection: Connection) -> None:
    """Add the columns for the warnings and checks of a prediction."""
    connection.execute(text("ALTER TABLE image ADD COLUMN warning VARCHAR NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE version ADD COLUMN checks JSON"))


def _add_confirmed_names(connection: Connection) -> None:
    """Add the table of names that exports may keep: none was confirmed yet."""
    connection.execute(
        text(
            "CREATE TABLE confirmed_name (image_id INTEGER NOT NULL PRIMARY KEY REFERENCES"
            " image (id), author VARCHAR NOT NULL, created_at VARCHAR NOT NULL)"
        )
    )


def _add_checksums(connection: Connection) -> None:
    """Add the checksums of all records, which follow every migration; see `Database`."""
    del connection


def _add_removals(connection: Connection) -> None:
    """Add removals of images, comments of autosaves, and when two gradings were compared."""
    connection.execute(
        text(
            "CREATE TABLE removal (id INTEGER NOT NULL PRIMARY KEY, image_id INTEGER NOT NULL"
            " REFERENCES image (id), removed_by VARCHAR NOT NULL, removed_at VARCHAR NOT NULL,"
            " reason VARCHAR NOT NULL, restored_by VARCHAR, restored_at VARCHAR)"
        )
    )
    connection.execute(text("CREATE INDEX removal_by_image ON removal (image_id)"))
    connection.execute(text("ALTER TABLE autosave ADD COLUMN comment VARCHAR NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE second_reader ADD COLUMN compared_at VARCHAR"))


def _add_model_uses(connection: Connection) -> None:
    """Add the table of the models that were taken into use: none was yet."""
    connection.execute(
        text(
            "CREATE TABLE model_use (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR NOT NULL,"
            " folder VARCHAR NOT NULL, weights_sha256 VARCHAR NOT NULL, chosen_by VARCHAR NOT NULL,"
            " chosen_at VARCHAR NOT NULL, reason VARCHAR NOT NULL, instead_of JSON NOT NULL)"
        )
    )


def _add_review_figures(connection: Connection) -> None:
    """Add the order by expected gain: no image has a place in it yet."""
    connection.execute(text("ALTER TABLE image ADD COLUMN gain FLOAT NOT NULL DEFAULT -1"))
    connection.execute(text("ALTER TABLE image ADD COLUMN reason VARCHAR NOT NULL DEFAULT ''"))
    connection.execute(text("CREATE INDEX image_gain_first ON image (gain DESC, id)"))
    connection.execute(text("CREATE INDEX image_state_gain_first ON image (state, gain DESC, id)"))
    connection.execute(
        text(
            "CREATE TABLE review_figures (image_id INTEGER NOT NULL PRIMARY KEY REFERENCES"
            " image (id), version INTEGER NOT NULL, figures JSON NOT NULL)"
        )
    )


def _add_files_address(connection: Connection) -> None:
    """Add the address of the project's files: they are in its folder."""
    connection.execute(text("ALTER TABLE project ADD COLUMN files VARCHAR NOT NULL DEFAULT ''"))


def _add_members(connection: Connection) -> None:
    """Add the table of members: nobody is one yet, so that all may do what they could."""
    connection.execute(
        text(
            "CREATE TABLE member (login VARCHAR NOT NULL PRIMARY KEY, name VARCHAR NOT NULL UNIQUE,"
            " role VARCHAR NOT NULL, checksum VARCHAR NOT NULL DEFAULT '')"
        )
    )


# The n-th migrates the tables from version n to version n + 1.
MIGRATIONS: tuple[Migration, ...] = (
    _add_checks,
    _add_confirmed_names,
    _add_checksums,
    _add_removals,
    _add_model_uses,
    _add_review_figures,
    _add_files_address,
    _add_members,
)
