"""What a PostgreSQL server itself enforces for the members of a study: see ``policies.sql``."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.orm import Session

from napari_retina_seg.project.roles import Member, Role
from napari_retina_seg.project.tables import Base, MemberRow

SCHEMA = "graded"
_VIEWS = ("image", "version")  # by which members reach these tables
_POLICIES = (("autosave", "member_own"), ("lease", "member_own"), ("lease", "member_seen"))
_GRADERS = (
    f"INSERT ON {SCHEMA}.version",
    "UPDATE (state, round, conflict, author, uncertainty, warning, gain, reason, checksum)"
    f" ON {SCHEMA}.image",
    "INSERT ON public.file, public.second_reader",
    "UPDATE (compared_at, checksum) ON public.second_reader",
    "INSERT, UPDATE, DELETE ON public.lease, public.autosave, public.review_figures",
    "USAGE ON public.version_id_seq, public.autosave_id_seq",
)
_RIGHTS_OF_OTHERS = text("""
SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %s', CASE relkind WHEN 'S' THEN 'SEQUENCE'
  ELSE 'TABLE' END, c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC'
  ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_class c
JOIN pg_attribute b ON b.attrelid = c.oid
CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION SELECT * FROM aclexplode(b.attacl)) a
WHERE c.relnamespace::regnamespace::text IN ('public', :schema) AND a.grantee <> c.relowner
  AND c.relowner = (SELECT relowner FROM pg_class WHERE oid = 'public.image'::regclass)
""")


def enforce(connection: Connection, members: Iterable[Member]) -> None:
    """Make the server's rules anew from the members of a study.

    Without members, and if there were none before, nothing is changed: then everybody does what the
    tables' rights allow.

    Parameters
    ----------
    connection : Connection
        Of the tables' owner, in a transaction.
    members : iterable of Member
        All members.
    """
    known = connection.execute(select(func.to_regnamespace(SCHEMA).is_not(None))).scalar_one()
    members = list(members)
    if not known and not members:
        return
    run = connection.execution_options(no_parameters=True).exec_driver_sql
    run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    for table, policy in _POLICIES:
        run(f"DROP POLICY IF EXISTS {policy} ON public.{table}")
        run(f"ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY")
    if members:
        run("SET LOCAL search_path = pg_catalog")  # nobody else's operators are taken
        run((resources.files(__package__) / "policies.sql").read_text(encoding="utf-8"))
        run("SET LOCAL search_path = public")
    for statement in connection.execute(_RIGHTS_OF_OTHERS, {"schema": SCHEMA}).scalars().all():
        run(statement)
    for member in members:
        login = connection.dialect.identifier_preparer.quote_identifier(member.login)
        for right in _rights(member.role):
            run(f"GRANT {right} TO {login}")


def _rights(role: Role) -> list[str]:
    tables = [f"public.{name}" for name in Base.metadata.tables if name not in _VIEWS]
    views = [f"{SCHEMA}.{name}" for name in _VIEWS]
    read = [f"USAGE ON SCHEMA {SCHEMA}", f"SELECT ON {', '.join([*tables, *views])}"]
    return read if role is Role.READER else [*read, *_GRADERS]


def list_members(session: Session) -> tuple[Member, ...]:
    """Return the members of a study by name; none if the server enforces no roles."""
    rows = session.scalars(select(MemberRow).order_by(MemberRow.name))
    return tuple(Member(row.login, row.name, Role(row.role)) for row in rows)


def find_member(connection: Connection) -> Member | None:
    """Return which member a login is; None for the owner, and where there are no members."""
    known = select(func.to_regclass("public.member").is_not(None))
    if not connection.execute(known).scalar_one():  # tables of an earlier version
        return None
    columns = select(MemberRow.login, MemberRow.name, MemberRow.role)
    row = connection.execute(columns.where(MemberRow.login == func.session_user())).one_or_none()
    return None if row is None else Member(row.login, row.name, Role(row.role))


def use_views(engine: Engine) -> None:
    """Have all connections of a member find the views in place of the tables."""

    @event.listens_for(engine, "connect")
    def set_path(connection: object, record: object) -> None:
        del record
        connection.execute(f"SET search_path = {SCHEMA}, public")  # type: ignore[attr-defined]
        connection.commit()  # type: ignore[attr-defined]

    engine.dispose()
