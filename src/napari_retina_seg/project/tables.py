"""SQLAlchemy mapping of the project's tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    TypeDecorator,
    UniqueConstraint,
    event,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcTime(TypeDecorator[datetime]):
    """Time as ISO 8601 text in UTC, which sorts chronologically."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read it."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Base(DeclarativeBase):
    """What all tables have in common: a checksum of their other columns; see `checksums`."""

    checksum: Mapped[str] = mapped_column(server_default="")

    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, list[int]: JSON}  # noqa: RUF012


class SchemaVersionRow(Base):
    """Version of the tables: a single row. Later versions of the program rely on it."""

    __tablename__ = "schema_version"

    version: Mapped[int] = mapped_column(primary_key=True)
    tables: Mapped[str] = mapped_column(server_default="")  # hash of the tables' definitions


class SchemeRow(Base):
    """A label scheme, stored in full, readable without this program."""

    __tablename__ = "scheme"

    id: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]


class ProjectRow(Base):
    """The project itself: a single row."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    scheme_id: Mapped[int] = mapped_column(ForeignKey("scheme.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    key: Mapped[str]
    files: Mapped[str] = mapped_column(default="")  # address of an object store, if any

    scheme: Mapped[SchemeRow] = relationship()


class MemberRow(Base):
    """A member of a shared study; the server's rules follow from these rows: see `policies`."""

    __tablename__ = "member"

    login: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]


class FileRow(Base):
    """A file of the project, named by the hash of its content."""

    __tablename__ = "file"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    suffix: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"))


class ImageRow(Base):
    """An image; state, round, conflict, author and uncertainty follow from its versions."""

    __tablename__ = "image"
    __table_args__ = (
        # The orders of the queue.
        Index("image_by_state", "state", "id"),
        Index("image_by_author", "author", "id"),
        Index("image_by_patient", "patient", "id"),
        Index("image_by_name", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    path: Mapped[str]  # relative to the project if inside it, with forward slashes
    copy_sha256: Mapped[str | None] = mapped_column(ForeignKey("file.sha256"))
    modality: Mapped[str]
    laterality: Mapped[str]
    spacing: Mapped[dict[str, Any]]
    patient: Mapped[str | None]
    shape: Mapped[list[int]]
    added_by: Mapped[str]
    added_at: Mapped[datetime]
    state: Mapped[str]
    round: Mapped[int]
    conflict: Mapped[bool]
    author: Mapped[str | None]
    uncertainty: Mapped[float]  # -1 while there is no prediction: sorts last
    warning: Mapped[str] = mapped_column(server_default="")  # of the newest prediction
    gain: Mapped[float] = mapped_column(server_default="-1")  # -1: finished, or no prediction
    reason: Mapped[str] = mapped_column(server_default="")  # why it has this place by gain


Index("image_worst_first", ImageRow.uncertainty.desc(), ImageRow.id)
Index("image_state_worst_first", ImageRow.state, ImageRow.uncertainty.desc(), ImageRow.id)
Index("image_gain_first", ImageRow.gain.desc(), ImageRow.id)
Index("image_state_gain_first", ImageRow.state, ImageRow.gain.desc(), ImageRow.id)


class VersionRow(Base):
    """A version of an image's mask; rows are added and never changed."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("image_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    number: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"))
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"))  # it derives from
    kind: Mapped[str]
    grading: Mapped[str] = mapped_column("reading")
    round: Mapped[int]
    state: Mapped[str]
    conflict: Mapped[bool]
    scheme_id: Mapped[int] = mapped_column(ForeignKey("scheme.id"))
    author: Mapped[str | None]
    model: Mapped[str | None]
    weights_sha256: Mapped[str | None]
    program: Mapped[str]
    seconds: Mapped[float]
    change: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    comment: Mapped[str]
    reason: Mapped[str]
    uncertainty: Mapped[float | None]
    mask: Mapped[str | None] = mapped_column(ForeignKey("file.sha256"))
    boundaries: Mapped[str | None] = mapped_column(ForeignKey("file.sha256"))
    probabilities: Mapped[str | None] = mapped_column(ForeignKey("file.sha256"))
    questionable: Mapped[str | None] = mapped_column(ForeignKey("file.sha256"))
    checks: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]

    parent: Mapped[VersionRow | None] = relationship(
        remote_side="VersionRow.id", foreign_keys=parent_id
    )
    prediction: Mapped[VersionRow | None] = relationship(
        remote_side="VersionRow.id", foreign_keys=prediction_id
    )
    scheme: Mapped[SchemeRow] = relationship()


# Enforced in the database, against mistakes in any program.
VERSION_TRIGGERS = {
    f"version_no_{each.lower()}": f"CREATE TRIGGER version_no_{each.lower()} BEFORE {each} ON"
    " version BEGIN SELECT RAISE(ABORT, 'versions are never changed'); END"
    for each in ("UPDATE", "DELETE")
}
VERSION_TRIGGER = "version_no_change"
_POSTGRESQL = (
    "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN RAISE EXCEPTION 'versions are never changed'; END$$",
    f"CREATE TRIGGER {VERSION_TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON version"
    " EXECUTE FUNCTION refuse_change()",
)
for _dialect, _statements in (("sqlite", VERSION_TRIGGERS.values()), ("postgresql", _POSTGRESQL)):
    for _statement in _statements:
        _rule = DDL(_statement)  # type: ignore[no-untyped-call]
        event.listen(VersionRow.__table__, "after_create", _rule.execute_if(dialect=_dialect))


class SecondGraderRow(Base):
    """The second grader of an image, in one round."""

    __tablename__ = "second_reader"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    grader: Mapped[str] = mapped_column("reader")
    compared_at: Mapped[datetime | None]  # when somebody first saw both gradings


class RemovalRow(Base):
    """A removal of an image, which ends when it is restored; the image and its masks stay."""

    __tablename__ = "removal"
    __table_args__ = (Index("removal_by_image", "image_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    removed_by: Mapped[str]
    removed_at: Mapped[datetime]
    reason: Mapped[str]
    restored_by: Mapped[str | None]
    restored_at: Mapped[datetime | None]


class ConfirmedNameRow(Base):
    """An image whose name tells nothing of the patient: a person said so."""

    __tablename__ = "confirmed_name"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    author: Mapped[str]
    created_at: Mapped[datetime]


class ReviewFiguresRow(Base):
    """What the newest prediction of an image says about how much its correction would teach."""

    __tablename__ = "review_figures"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    version: Mapped[int]  # number of the prediction
    figures: Mapped[dict[str, Any]]


class ModelUseRow(Base):
    """A model that was taken into use; the newest row is the one in use."""

    __tablename__ = "model_use"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    folder: Mapped[str]  # relative to the project, with forward slashes; "" for one by name
    weights_sha256: Mapped[str]
    chosen_by: Mapped[str]
    chosen_at: Mapped[datetime]
    reason: Mapped[str]
    instead_of: Mapped[dict[str, Any]]  # name, folder and weights_sha256 of the one before


class LeaseRow(Base):
    """The lease of an image."""

    __tablename__ = "lease"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    holder: Mapped[str]
    program: Mapped[str]
    expires: Mapped[datetime]


class AutosaveRow(Base):
    """Unsaved work: one slot for each image, author and process."""

    __tablename__ = "autosave"
    __table_args__ = (UniqueConstraint("image_id", "author", "program"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    author: Mapped[str] = mapped_column(index=True)
    program: Mapped[str]
    parent: Mapped[int | None]
    seconds: Mapped[float]
    file: Mapped[str]
    sha256: Mapped[str]
    saved_at: Mapped[datetime]
    comment: Mapped[str] = mapped_column(server_default="")
