"""Roles that the server enforces, also for somebody who uses another program than this one."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_retina_seg.cli.app import app
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.moving import move_records
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.roles import Member, Role
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.project.tables import Base
from napari_retina_seg.types.errors import ProjectError
from postgresql import log_in

psycopg = pytest.importorskip("psycopg")

HIDDEN = "what Bob must not read"
FIRST = "SELECT author, comment, mask, state FROM version WHERE id = 2"
COMPARE = "UPDATE second_reader SET compared_at = '2026-01-01T00:00:00+00:00'"


pytestmark = pytest.mark.as_members


@pytest.fixture
def psql(server):
    """Connect as a login; what is not committed is rolled back."""
    opened = []

    def connect(login="bob", path="graded, public"):
        url = f"{server.url('graded', login)}&options=-csearch_path%3D{path.replace(' ', '')}"
        opened.append(psycopg.connect(url))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def blinded(ann, bob, image, make):
    """Have Ann call an image ungradable, and Bob begin with its second grading."""
    ann.add_prediction(image.id, make.prediction())
    ann.mark_ungradable(image.id, HIDDEN, comment=HIDDEN)
    ann.autosave(image.id, make.annotation(5), comment=HIDDEN)
    ann.assign_second_grader(image.id, "BOB")
    bob.save_version(image.id, make.annotation(7), Action.SECOND_DRAFT, parent=1, comment="mine")
    return image


LOOKS = (
    "TABLE graded.version",
    "TABLE public.version",
    "TABLE public.image",
    "TABLE public.autosave",
    "TABLE graded.progress",
    "TABLE graded.second",
    "TABLE graded.written",
    "COPY (TABLE graded.version) TO STDOUT",
    "COPY public.version TO STDOUT",
    "SELECT * FROM version WHERE pg_temp.leak(comment) AND pg_temp.leak(reason)",
    "SELECT comment FROM graded.version ORDER BY pg_temp.leak(comment), comment FOR UPDATE",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM graded.version WHERE comment > 'a'",
    "TABLE pg_stats",
    "TABLE pg_statistic",
    "INSERT INTO version SELECT * FROM version WHERE id = 2 RETURNING *",
    "INSERT INTO version SELECT * FROM version ON CONFLICT (id) DO UPDATE SET id = 9 RETURNING *",
    "UPDATE image SET warning = state || coalesce(author, '') RETURNING *",
    "SET ROLE postgres; TABLE public.version",
    "SET SESSION AUTHORIZATION postgres; TABLE public.version",
    "SET row_security = off; TABLE public.autosave",
    "CREATE OR REPLACE VIEW graded.image AS TABLE public.image; TABLE graded.image",
    "CREATE TEMP VIEW version AS TABLE public.version; TABLE version",
    "GRANT SELECT ON public.version TO bob; TABLE public.version",
    "CREATE TEMP TABLE own (LIKE graded.version); CREATE TRIGGER own BEFORE INSERT ON own FOR EACH"
    " ROW EXECUTE FUNCTION graded.add_version(); INSERT INTO own (image_id) VALUES (1) RETURNING *",
    "CREATE TEMP TABLE member AS SELECT 'bob' AS login, 'Ann' AS name; TABLE graded.version",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
)


def test_no_query_shows_a_second_grader_the_first_grading(blinded, psql, server):
    server.run("ANALYZE", "graded")
    bob = psql()
    told = []
    bob.add_notice_handler(lambda notice: told.append(notice.message_primary))
    bob.execute(
        "CREATE FUNCTION pg_temp.leak(what text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
        " AS $$BEGIN RAISE NOTICE '%', what; RETURN true; END$$"
    )
    bob.commit()
    shown = 0
    for query in LOOKS:
        try:
            if query.startswith("COPY"):
                with bob.cursor().copy(query) as rows:
                    told += [str(row) for row in rows.rows()]
            else:
                done = bob.execute(query).results()
                told += [str(found.fetchall()) for found in done if found.description]
            shown += 1
        except psycopg.Error as error:
            told.append(str(error))
        bob.rollback()
    assert shown > 5
    assert HIDDEN not in str(told)
    assert "mine" in str(told)  # what he may see is there
    assert bob.execute(FIRST).fetchone() == (None, "", None, "corrected")
    assert bob.execute("SELECT author, state FROM image").fetchone() == (None, "corrected")
    times = "SELECT id FROM version WHERE created_at LIKE '%T00:00:00.000000+00:00'"
    assert bob.execute(times).fetchall() == [(2,)]


TOLD_BY_ERRORS = (
    "UPDATE image SET warning = NULL",
    "SET client_min_messages = log; SET debug_print_plan = on; SET debug_print_rewritten = on;"
    " UPDATE image SET warning = 'x'",
    "UPDATE image SET state = NULL",
    "INSERT INTO version (image_id, number, kind, reading, round, state, conflict, author) VALUES"
    " (1, 4, 'human', 'second', 0, 'in progress', false, 'Bob')",
)


def test_neither_errors_nor_plans_tell_a_second_grader_what_a_row_hides(blinded, psql):
    bob = psql()
    told = []
    bob.add_notice_handler(lambda notice: told.append(notice.message_detail))
    for statement in TOLD_BY_ERRORS:
        try:
            bob.execute(statement)
        except psycopg.Error as error:
            told.append(str(error))
        bob.rollback()
    for word in ("ungradable", "Ann"):
        assert word not in str(told)
        assert " ".join(str(letter) for letter in word.encode()) not in str(told)  # in a plan


INSERT = (
    "INSERT INTO version (id, image_id, number, kind, reading, round, state, conflict, scheme_id,"
    " author, program, seconds, comment, reason, created_at, checksum) VALUES (9, 1, 4, '{}', '{}',"
    " {}, '{}', false, 1, '{}', '', 0, '', '', '', '')"
)
REFUSED = (
    COMPARE,
    "DELETE FROM second_reader",
    "UPDATE second_reader SET reader = 'Carl'",
    "INSERT INTO second_reader (image_id, round, reader) VALUES (1, 1, 'Bob')",
    "INSERT INTO second_reader (image_id, round, reader) VALUES (2, 0, 'Carl')",
    "UPDATE image SET state = 'second read', author = 'Bob'",
    "UPDATE image SET state = 'in progress'",
    "UPDATE image SET author = 'Carl'",
    "UPDATE image SET round = round + 1",
    "UPDATE image SET name = 'another'",
    "DELETE FROM image",
    "DELETE FROM version",
    "UPDATE version SET comment = 'another'",
    INSERT.format("human", "second", 0, "second read", "Ann"),
    INSERT.format("human", "first", 0, "corrected", "Bob"),
    INSERT.format("human", "adjudication", 0, "adjudicated", "Bob"),
    INSERT.format("human", "second", 1, "second read", "Bob"),
    INSERT.format("prediction", "second", 0, "unreviewed", ""),
    "UPDATE member SET role = 'adjudicator'",
    "DELETE FROM member",
    "INSERT INTO removal (id, image_id, removed_by, removed_at, reason) VALUES (1, 1, '', '', '')",
    "UPDATE project SET key = ''",
    "INSERT INTO lease (image_id, holder, program, expires) VALUES (2, 'Ann', 'x', '2099-01-01')",
    "INSERT INTO lease (image_id, holder, program, expires) VALUES (2, 'Bob', 'x', '2099-01-01')",
    "INSERT INTO lease (image_id, holder, program, expires) VALUES (2, 'Bob', 'x', 'never')",
    "INSERT INTO autosave (id, image_id, author, program, seconds, file, sha256, saved_at) VALUES"
    " (9, 1, 'Ann', 'x', 0, '', '', '')",
    "ALTER TABLE version DISABLE TRIGGER ALL",
    "DROP TRIGGER check_second_grader ON second_reader",
    "SELECT nextval('removal_id_seq')",
)


def test_the_server_refuses_what_is_not_a_member_s_to_write(ann, blinded, psql, write_scan):
    ann.add_images([write_scan("other.png", 1)])
    ann.check_out(blinded.id)
    bob = psql()
    for statement in REFUSED:
        with pytest.raises(psycopg.Error):
            bob.execute(statement)
        bob.rollback()
    for others in ("DELETE FROM lease", "UPDATE lease SET holder = 'Bob'", "DELETE FROM autosave"):
        assert bob.execute(others).rowcount == 0
    emil = psql("emil")
    for statement in (COMPARE, "DELETE FROM lease", "UPDATE image SET gain = 1"):
        with pytest.raises(psycopg.Error, match="permission denied"):
            emil.execute(statement)
        emil.rollback()


def test_nobody_begins_a_round_without_a_grading(ann, blinded, psql, write_scan):
    ann.add_images([write_scan("other.png", 1)])
    bob = psql()
    bob.execute("UPDATE image SET round = round + 1 WHERE id = 2")
    with pytest.raises(psycopg.Error, match="no grading begins this round"):
        bob.commit()


def test_who_looks_at_the_first_grading_can_neither_roll_that_back_nor_go_on(
    blinded, bob, psql, make
):
    bob.save_version(blinded.id, make.annotation(8), Action.SECOND_GRADE, parent=3)
    one, other = psql(), psql()
    assert one.execute(FIRST).fetchone()[1] == ""  # he may still change his grading
    one.execute(COMPARE)
    assert one.execute(FIRST).fetchone()[1] == ""
    one.execute("SAVEPOINT a")
    one.execute("UPDATE image SET warning = 'x'")
    assert one.execute(FIRST).fetchone()[1] == ""
    other.execute("SET lock_timeout = '50ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):  # meanwhile he goes on elsewhere
        other.execute(INSERT.format("human", "second", 0, "in progress", "Bob"))
    other.rollback()
    one.execute("ROLLBACK TO a")
    one.commit()
    assert one.execute(FIRST).fetchone()[1] == HIDDEN
    with pytest.raises(psycopg.Error, match="not yours"):
        other.execute(INSERT.replace("4,", "5,").format("human", "second", 0, "in progress", "Bob"))
    other.rollback()
    with pytest.raises(psycopg.Error, match="not yours"):
        other.execute("UPDATE image SET state = 'corrected', author = NULL")


def test_others_do_not_see_a_second_grading_under_way(blinded, psql):
    carl = psql("carl")
    carl.execute("UPDATE image SET round = round + 1")  # a round begins, then is rolled back
    own = "SELECT author, comment, mask FROM version WHERE id = 3"
    assert carl.execute(own).fetchone() == (None, "", None)
    carl.rollback()
    assert carl.execute(own).fetchone() == (None, "", None)
    assert carl.execute(FIRST).fetchone()[1] == HIDDEN  # he is blinded to nothing else


def test_roles_and_turns_hold_in_another_program_too(ann, bob, open_as, image, make, psql):
    ann.save_version(image.id, make.annotation(), Action.DRAFT)
    ann.assign_second_grader(image.id, "Dora")
    dora = psql("dora")
    dora.execute(INSERT.replace("4,", "2,").format("human", "second", 0, "second read", "Dora"))
    with pytest.raises(psycopg.Error, match="not yours"):  # the first grading is under way
        dora.execute("UPDATE image SET state = 'second read', author = 'Dora'")
    dora.rollback()
    ann.save_version(image.id, make.annotation(), Action.CORRECT, parent=1)
    open_as("Dora").save_version(image.id, make.annotation(1), Action.SECOND_GRADE)
    adjudication = INSERT.format("human", "adjudication", 0, "adjudicated", "{}")
    for name in ("Bob", "Dora"):  # a grader, and the second grader of this image
        with pytest.raises(psycopg.Error, match="not yours"):
            psql(name.lower()).execute(adjudication.format(name))
    psql("carl").execute(adjudication.format("Carl"))
    functions = "SELECT bool_or(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc WHERE"
    functions += " pronamespace = 'graded'::regnamespace"
    assert psql().execute(functions).fetchone() == (False,)


def grade_twice(open_as, image, make):
    """Have an image graded and adjudicated; return what its versions are."""
    ann, bob, carl = (open_as(name) for name in ("Ann", "Bob", "Carl"))
    ann.add_prediction(image.id, make.prediction())
    bob.save_version(image.id, make.annotation(1), Action.DRAFT, parent=1)
    ann.save_version(image.id, make.annotation(2), Action.CORRECT, parent=2)
    ann.reopen(image.id)
    ann.save_version(image.id, make.annotation(3), Action.CORRECT, parent=4)
    ann.assign_second_grader(image.id, "Bob")
    bob.save_version(image.id, make.annotation(4), Action.SECOND_DRAFT, parent=1)
    bob.add_prediction(image.id, make.prediction(2))
    bob.save_version(image.id, make.annotation(5), Action.SECOND_GRADE, parent=6)
    bob.reopen(image.id)
    between = bob.image(image.id), ann.image(image.id)
    bob.save_version(image.id, make.annotation(6), Action.SECOND_GRADE, parent=9)
    (pair,) = bob.double_gradings()
    first, _ = pair.numbers
    carl.save_version(image.id, make.annotation(7), Action.ADJUDICATION_DRAFT, parent=first)
    carl.save_version(image.id, make.annotation(8), Action.ADJUDICATE, parent=11)
    end = ann.reopen(image.id).number, ann.permissions(image.id).second_grader
    ann.mark_ungradable(image.id, "dark")
    bob.mark_ungradable(image.id, "dark, too")
    images = [(one.state, one.author, one.round, one.conflict) for one in (*between, ann.image(1))]
    versions = [
        (each.number, each.parent, each.author, each.state, each.grading, each.round, each.mask)
        for each in ann.history(image.id)
    ]
    left = [len(one.queue(Filters(second_grading=True))) for one in (ann, bob, carl)]
    burden = [(each.model, each.dice, each.is_unchanged) for each in carl.burden().images]
    assert ann.check() == bob.check() == ()
    return pair.numbers, images, versions, end, left, bob.truth(image.id), burden


@pytest.fixture(scope="module")
def outcomes():
    return set()


@pytest.mark.both_databases
def test_a_study_by_members_is_like_one_without_roles(open_as, image, make, outcomes):
    outcomes.add(str(grade_twice(open_as, image, make)))
    assert len(outcomes) == 1


def test_a_member_opens_a_study_under_their_own_name(ann, folder):
    log_in(folder, "Bob")
    with pytest.raises(ProjectError, match="logged in to the server as 'bob', who is 'Bob'"):
        Project(folder, author="Ann")
    with Project(folder, author=" bob ") as bob:
        assert bob.author == "Bob"
        assert bob.members() == ann.members()
        assert bob.members()[0] == Member("bob", "Bob", Role.GRADER)
        assert bob.people() == ("Ann", "Bob", "Carl", "Dora", "Emil")


def test_what_a_role_may_not_do_is_refused_before_it_is_tried(open_as, image, make):
    ann, bob, carl, dora, emil = map(open_as, ("Ann", "Bob", "Carl", "Dora", "Emil"))
    carl.save_version(image.id, make.annotation(), Action.CORRECT)
    assert not bob.permissions(image.id).may_assign
    for who in (dora, emil):
        with pytest.raises(ProjectError, match=r"'Zoe' grades nothing|read-only"):
            who.assign_second_grader(image.id, "Zoe")
    with pytest.raises(ProjectError, match="only the owner assigns second graders"):
        bob.assign_second_grader(image.id, "dora")
    with pytest.raises(ProjectError, match="'emil' grades nothing in this study"):
        ann.assign_second_grader(image.id, "emil")
    dora.save_version(image.id, make.annotation(1), Action.SECOND_GRADE)
    assert bob.permissions(image.id).actions == {Action.REOPEN}
    with pytest.raises(ProjectError, match="Bob is no adjudicator in this study"):
        bob.save_version(image.id, make.annotation(2), Action.ADJUDICATE)
    assert emil.read_only
    assert "reader of this study" in emil.read_only_reason
    assert emil.permissions(image.id).actions == set()
    assert len(emil.history(image.id)) == 2
    with pytest.raises(ProjectError, match="You have no permission for this"):
        bob.remove_images([image.id])
    for owned in (bob.repair, lambda: bob.add_member("bob", "Bob", "adjudicator")):
        with pytest.raises(ProjectError, match="Only the owner"):
            owned()


def test_unsaved_work_of_others_is_neither_seen_nor_called_an_orphan(ann, bob, image, make):
    ann.autosave(image.id, make.annotation())
    bob.autosave(image.id, make.annotation(1))
    assert [slot.author for slot in bob.status().autosaves] == ["Bob"]
    assert {slot.author for slot in ann.status().autosaves} == {"Ann", "Bob"}
    assert bob.check() == ()


def test_the_views_have_the_columns_of_the_tables(ann):
    with ann._store.database.reading() as session:
        run = session.connection().exec_driver_sql
        for name in ("image", "version"):
            shown = run(f"SELECT * FROM graded.{name}").keys()  # noqa: S608 - our own names
            assert set(shown) == set(Base.metadata.tables[name].columns.keys())


def test_the_rules_outlive_a_migration(ann, image, make, folder):
    ann._store.database._migrate_tables(ann._store.database._writer)
    log_in(folder, "Bob")
    with Project(folder, author="Bob") as bob:
        assert bob.save_version(image.id, make.annotation(), Action.CORRECT).author == "Bob"


def test_who_works_goes_on_while_members_come_and_go(ann, bob, image, make):
    for seed in range(8):  # the driver prepares what it is asked often
        bob.save_version(image.id, make.annotation(seed), Action.DRAFT, parent=seed or None)
    ann.add_member("carl", "Carl", "reader")
    bob.save_version(image.id, make.annotation(8), Action.CORRECT, parent=8)
    ann.add_member("carl", "Carl", "adjudicator")
    assert not ann.image(image.id).conflict
    assert len(bob.history(image.id)) == 9


def test_members_are_added_by_a_login_that_the_server_can_hold_to_rules(ann, server):
    server.run("DROP ROLE IF EXISTS fred")
    for login, said in {"nobody_of_here": "no login 'nobody_of_here'", "postgres": "owns"}.items():
        with pytest.raises(ProjectError, match=said):
            ann.add_member(login, "Fred", "grader")
    server.run("CREATE ROLE fred LOGIN")
    with pytest.raises(ProjectError, match="'Bob' is the member with the login 'bob' already"):
        ann.add_member("fred", " BOB", "grader")
    server.run("GRANT pg_read_all_data TO fred")
    with pytest.raises(ProjectError, match="by way of another role"):
        ann.add_member("fred", "Fred", "grader")
    server.run("ALTER ROLE fred NOINHERIT")  # he could still take it by SET ROLE
    with pytest.raises(ProjectError, match="by way of another role"):
        ann.add_member("fred", "Fred", "grader")
    server.run("REVOKE pg_read_all_data FROM fred")
    for right in ("BYPASSRLS", "CREATEROLE", "REPLICATION"):
        server.run(f"ALTER ROLE fred {right}")
        with pytest.raises(ProjectError, match="administers the server"):
            ann.add_member("fred", "Fred", "grader")
        server.run(f"ALTER ROLE fred NO{right}")
    server.run("GRANT CREATE ON SCHEMA public TO PUBLIC", "graded")  # as PostgreSQL 14 does
    with pytest.raises(ProjectError, match="may create functions"):
        ann.add_member("fred", "Fred", "grader")
    server.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "graded")
    server.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO fred, PUBLIC", "graded")
    ann.add_member("fred", "Fred", "grader")  # takes these rights
    assert "fred" in [member.login for member in ann.members()]
    ann.remove_member("fred")
    with pytest.raises(ProjectError, match="No member has the login 'fred'"):
        ann.remove_member("fred")
    server.run("DROP ROLE fred")  # it has no rights left


def test_who_is_no_member_is_told_whom_to_ask(server, folder):
    server.run("DROP ROLE IF EXISTS gus")
    server.run("CREATE ROLE gus LOGIN")
    log_in(folder, "Ann")
    file = folder / "database.json"
    file.write_text(file.read_text().replace("postgres@", "gus@"))
    with pytest.raises(ProjectError, match=r"no permission for this in .*: ask its owner"):
        Project(folder, author="Gus")


def test_names_are_spelled_as_in_the_gradings_before(ann, server, image, make):
    ann.attach(image.id, make.annotation(), author="HUGO")
    server.run("DROP ROLE IF EXISTS hugo")
    server.run("CREATE ROLE hugo LOGIN")
    with pytest.raises(ProjectError, match="saved as those of 'HUGO'"):
        ann.add_member("hugo", "Hugo", "grader")


def test_a_study_that_moves_leaves_its_members_and_no_hidden_checksum(ann, bob, blinded, make):
    bob.save_version(blinded.id, make.annotation(8), Action.SECOND_GRADE, parent=3)
    bob.reopen(blinded.id)
    with ann._store.database.reading() as session:
        kept = session.connection().exec_driver_sql("SELECT checksum FROM image").scalar_one()
    assert kept == "hidden"  # Bob knows neither whose the first grading is nor what it is
    assert ann.image(blinded.id).state is State.UNGRADABLE
    assert ann.check() == bob.check() == ()
    ann.close()
    with pytest.raises(ProjectError, match="Only the owner of the study may move it"):
        move_records(ann.folder, None)  # the folder names Bob's login
    log_in(ann.folder, "Ann")
    assert "Its members stay there" in move_records(ann.folder, None)
    with Project(ann.folder, author="Ann") as project:
        assert project.members() == ()
        assert project.check() == ()
        with pytest.raises(ProjectError, match="roles need a server"):
            project.add_member("bob", "Bob", "grader")


def test_the_commands_of_the_docs_add_members(server, ann, folder):
    page = Path(__file__).resolve().parents[2] / "docs" / "shared_studies.md"
    commands = re.findall(r"^napari-retina-seg (project member .*)", page.read_text("utf-8"), re.M)
    for command in commands:
        words = shlex.split(command.replace("/share/study", str(folder)))
        login = words[4]
        server.run(f"DROP ROLE IF EXISTS {login}x")
        server.run(f"CREATE ROLE {login}x LOGIN")
        words[4] += "x"
        words[words.index("--name") + 1] += "x"
        done = CliRunner().invoke(app, [*words, "--author", "Ann"])
        assert done.exit_code == 0, done.output
        role = words[words.index("--role") + 1] if "--role" in words else "grader"
        assert f"{role} of this study" in done.output
    listed = CliRunner().invoke(app, ["project", "member", "list", str(folder)])
    assert re.search(r"Cleox +cleox +adjudicator", listed.output)
    for login in ("bobx", "cleox", "danx"):
        done = CliRunner().invoke(app, ["project", "member", "remove", str(folder), login])
        assert "no access" in done.output
    assert [member.name for member in ann.members()] == ["Bob", "Carl", "Dora", "Emil"]
