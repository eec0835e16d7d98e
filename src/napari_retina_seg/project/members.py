"""Members of a study on a server: who works on it, by which login and in which role."""

from __future__ import annotations

from sqlalchemy import TextClause, select, text
from sqlalchemy.orm import Session

from napari_retina_seg.project.policies import enforce, list_members
from napari_retina_seg.project.roles import Member, Role
from napari_retina_seg.project.sqlite_database import SqliteDatabase
from napari_retina_seg.project.store import Store, same_person
from napari_retina_seg.project.tables import AutosaveRow, MemberRow, SecondGraderRow, VersionRow
from napari_retina_seg.types.errors import ProjectError

# With the roles that a login can take, by SET ROLE if not at once.
_ROLES = "FROM pg_roles r WHERE pg_has_role(:login, r.oid, 'MEMBER')"
_IS_LOGIN = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :login)")
_IS_OWNER = text(
    "SELECT EXISTS (SELECT "  # noqa: S608 - our own text
    f"{_ROLES} AND (r.rolsuper OR r.rolcreaterole OR r.rolbypassrls OR r.rolreplication OR r.oid ="
    " (SELECT relowner FROM pg_class WHERE oid = 'public.version'::regclass)))"
)
_REACHES_TABLES = text(
    "SELECT EXISTS (SELECT "
    f"{_ROLES} AND (has_any_column_privilege(r.oid, 'public.version', 'SELECT')"
    " OR has_table_privilege(r.oid, 'public.version', 'INSERT')"
    " OR r.rolname IN ('pg_read_server_files', 'pg_execute_server_program')))"
)
_MAKES_OBJECTS = text("SELECT has_schema_privilege(:login, 'public', 'CREATE')")


def add_member(store: Store, member: Member) -> None:
    """Add a member, or change one; see `Project.add_member`."""
    check_owner(store, "add a member")
    with store.database.writing() as session:
        _check_login(session, member.login)
        _check_name(session, member)
        for second in session.scalars(select(SecondGraderRow)):
            if same_person(second.grader, member.name):
                second.grader = member.name  # the server compares letter by letter
        for slot in session.scalars(select(AutosaveRow)):
            if same_person(slot.author, member.name):
                slot.author = member.name
        row = session.get(MemberRow, member.login) or MemberRow(login=member.login)
        row.name, row.role = member.name, member.role.value
        session.add(row)
        session.flush()
        enforce(session.connection(), list_members(session))
        if session.execute(_REACHES_TABLES, {"login": member.login}).scalar_one():
            raise ProjectError(
                f"'{member.login}' can read or write all gradings by way of another role, so it"
                " can't be a member: ask the server's administrator for a login without it."
            )


def remove_member(store: Store, login: str) -> None:
    """Remove a member; see `Project.remove_member`."""
    check_owner(store, "remove a member")
    with store.database.writing() as session:
        row = session.get(MemberRow, login)
        if row is None:
            raise ProjectError(f"No member has the login '{login}': see 'project member list'.")
        session.delete(row)
        session.flush()
        enforce(session.connection(), list_members(session))


def check_owner(store: Store, action: str) -> None:
    """Raise `ProjectError` unless this login owns the study on a server."""
    if store.database.member is not None:
        raise ProjectError(f"Only the owner of the study may {action}: ask its owner for it.")
    if isinstance(store.database, SqliteDatabase):
        raise ProjectError(
            "The records of this project are a file, which everybody reads who reads the folder:"
            " roles need a server. Move the project there first ('project move')."
        )


def find_grader(session: Session, name: str) -> str:
    """Return a second grader's name as the study spells it.

    Raises
    ------
    ProjectError
        If the study has members, and no member of this name grades.
    """
    members = list_members(session)
    found = next((one for one in members if same_person(one.name, name)), None)
    if not members:
        return name
    if found is None or found.role is Role.READER:
        graders = [f"'{one.name}'" for one in members if one.role is not Role.READER]
        raise ProjectError(
            f"'{name}' grades nothing in this study: choose one of {', '.join(graders)}, or add the"
            " person ('project member add')."
        )
    return found.name


def _check_login(session: Session, login: str) -> None:
    def is_true(question: TextClause) -> bool:
        return bool(session.execute(question, {"login": login}).scalar_one())

    if not is_true(_IS_LOGIN):
        raise ProjectError(
            f"The server has no login '{login}': ask its administrator for it (createuser), then"
            " add the member."
        )
    if is_true(_IS_OWNER):
        raise ProjectError(
            f"'{login}' owns the study or administers the server, which holds that login to"
            " nothing: add one that does not."
        )
    if is_true(_MAKES_OBJECTS):  # as before PostgreSQL 15: functions that the owner would run
        raise ProjectError(
            f"'{login}' may create functions in the study's database: ask the server's"
            " administrator to run 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' in it, then add the"
            " member."
        )


def _check_name(session: Session, member: Member) -> None:
    """Refuse a name that is taken, or spelled otherwise in the versions: those never change."""
    taken = select(MemberRow).where(MemberRow.login != member.login)
    for row in session.scalars(taken):
        if same_person(row.name, member.name):
            raise ProjectError(f"'{row.name}' is the member with the login '{row.login}' already.")
    authors = session.scalars(select(VersionRow.author).distinct())
    spelled = {author for author in authors if author and same_person(author, member.name)}
    if spelled and member.name not in spelled:
        raise ProjectError(
            f"The gradings of this person are saved as those of '{min(spelled)}': add the member by"
            " that name."
        )
