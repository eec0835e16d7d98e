-- What the server enforces for the members of a study; see policies.py and docs/shared_studies.md.
--
-- Members have no rights on the tables image and version. They work through views of the same
-- names and columns in this schema, which show a row in part where the member must not see all of
-- it. No row is left out, so that the numbers of versions stay whole. What is written there is
-- checked by triggers, which run as the owner of the tables. The conditions are those of
-- blinding.py. "session_user" is the login, whatever role it takes. The triggers' functions send no
-- messages below errors (debug_print_plan shows values), and no details of rows that failed.
--
-- Column names of earlier versions of the program: "reading" is the grading, "reader" the grader.

CREATE SCHEMA graded;

-- The newest transaction of a member that wrote to an image. Until it has ended, it sees nothing of
-- what others did there: it could look and then roll back. It also makes writers to an image wait
-- for each other, whatever program they use.
CREATE TABLE graded.written (image_id integer PRIMARY KEY, transaction xid8 NOT NULL);

CREATE FUNCTION graded.note_write(image integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO graded.written AS w VALUES (image, pg_catalog.pg_current_xact_id())
  ON CONFLICT (image_id) DO UPDATE SET transaction = excluded.transaction
$$;

CREATE FUNCTION graded.refuse(reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'RSEG1', MESSAGE = reason;
END
$$;

CREATE VIEW graded.me AS SELECT name, role FROM public.member WHERE login = session_user;

-- Adjudications are asked for with each image, and there are few.
CREATE INDEX IF NOT EXISTS version_adjudications ON public.version (image_id, round)
WHERE reading = 'adjudication';

-- For each image: whether somebody adjudicated it in this round, and whether its second grading, if
-- there is to be one, is still open.
CREATE VIEW graded.progress AS
SELECT i.id AS image_id, i.round, i.state, i.author, a.adjudicated,
  CASE i.state
    WHEN 'second read' THEN false
    WHEN 'adjudicated' THEN false
    WHEN 'ungradable' THEN NOT a.adjudicated
    ELSE true
  END AS open
FROM public.image i
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM public.version v WHERE v.image_id = i.id
  AND v.round = i.round AND v.reading = 'adjudication' AND NOT v.conflict)) AS a (adjudicated);

-- The images of which this member is the second grader in this round; "may_revise" while the own
-- grading may still be changed, "blinded" while the first grading must not be seen.
CREATE VIEW graded.second AS
SELECT p.*, s.compared_at, found.may_revise, p.open OR found.may_revise AS blinded
FROM graded.progress p
JOIN public.second_reader s
  ON s.image_id = p.image_id AND s.round = p.round AND s.reader = (SELECT name FROM graded.me)
CROSS JOIN LATERAL (
  SELECT p.state = 'second read' AND s.compared_at IS NULL AND NOT p.adjudicated
) AS found (may_revise);

CREATE VIEW graded.image WITH (security_barrier) AS
SELECT i.id, i.sha256, i.name, i.path, i.copy_sha256, i.modality, i.laterality, i.spacing,
  i.patient, i.shape, i.added_by, i.added_at, i.round, i.conflict, i.uncertainty, i.warning, i.gain,
  i.reason,
  CASE WHEN redacted.it AND i.state IN ('accepted', 'ungradable') THEN 'corrected'
    ELSE i.state END AS state,
  CASE WHEN redacted.it THEN NULL ELSE i.author END AS author,
  CASE WHEN redacted.it THEN 'hidden' ELSE i.checksum END AS checksum
FROM public.image i
LEFT JOIN graded.second s ON s.image_id = i.id AND s.blinded
CROSS JOIN LATERAL (
  SELECT s.image_id IS NOT NULL AND (i.author <> (SELECT name FROM graded.me)
    OR i.state IN ('accepted', 'ungradable'))
) AS redacted (it);

-- The time, too, is shown in part: it is that of the mask's file.
CREATE VIEW graded.version WITH (security_barrier) AS
SELECT v.id, v.image_id, v.number, v.kind, v.reading, v.round, v.conflict, v.scheme_id,
  CASE WHEN hidden.it THEN left(v.created_at, 10) || 'T00:00:00.000000+00:00'
    ELSE v.created_at END AS created_at,
  CASE WHEN hidden.it AND v.state IN ('accepted', 'ungradable') THEN 'corrected'
    ELSE v.state END AS state,
  CASE WHEN hidden.it THEN NULL ELSE v.parent_id END AS parent_id,
  CASE WHEN hidden.it THEN NULL ELSE v.prediction_id END AS prediction_id,
  CASE WHEN hidden.it THEN NULL ELSE v.author END AS author,
  CASE WHEN hidden.it THEN NULL ELSE v.model END AS model,
  CASE WHEN hidden.it THEN NULL ELSE v.weights_sha256 END AS weights_sha256,
  CASE WHEN hidden.it THEN '' ELSE v.program END AS program,
  CASE WHEN hidden.it THEN 0 ELSE v.seconds END AS seconds,
  CASE WHEN hidden.it THEN NULL ELSE v.change END AS change,
  CASE WHEN hidden.it THEN '' ELSE v.comment END AS comment,
  CASE WHEN hidden.it THEN '' ELSE v.reason END AS reason,
  CASE WHEN hidden.it THEN NULL ELSE v.uncertainty END AS uncertainty,
  CASE WHEN hidden.it THEN NULL ELSE v.mask END AS mask,
  CASE WHEN hidden.it THEN NULL ELSE v.boundaries END AS boundaries,
  CASE WHEN hidden.it THEN NULL ELSE v.probabilities END AS probabilities,
  CASE WHEN hidden.it THEN NULL ELSE v.questionable END AS questionable,
  CASE WHEN hidden.it THEN NULL ELSE v.checks END AS checks,
  CASE WHEN hidden.it THEN 'hidden' ELSE v.checksum END AS checksum
FROM public.version v
JOIN graded.progress p ON p.image_id = v.image_id
LEFT JOIN graded.second s ON s.image_id = v.image_id AND s.blinded
LEFT JOIN graded.written w
  ON w.image_id = v.image_id AND w.transaction = pg_catalog.pg_current_xact_id_if_assigned()
CROSS JOIN LATERAL (
  SELECT v.kind <> 'prediction' AND v.author IS DISTINCT FROM (SELECT name FROM graded.me) AND (
    s.image_id IS NOT NULL OR w.image_id IS NOT NULL
    OR v.reading = 'second' AND p.open AND (v.round = p.round OR v.state = 'in progress')
  )
) AS hidden (it);

CREATE FUNCTION graded.add_version() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
  me graded.me;
  p graded.progress;
  s graded.second;
  may_add boolean;
BEGIN
  PERFORM graded.note_write(NEW.image_id);
  SELECT * INTO me FROM graded.me;
  SELECT * INTO p FROM graded.progress WHERE image_id = NEW.image_id;
  SELECT * INTO s FROM graded.second WHERE image_id = NEW.image_id;
  IF NEW.round IS DISTINCT FROM p.round OR NEW.number IS DISTINCT FROM
      (SELECT count(*) + 1 FROM public.version WHERE image_id = NEW.image_id) THEN
    PERFORM graded.refuse('the image was changed meanwhile');
  END IF;
  may_add := CASE
    WHEN NEW.kind = 'prediction' THEN
      NEW.author IS NULL AND NEW.reading = 'first' AND NEW.state = 'unreviewed'
    WHEN NEW.kind <> 'human' OR NEW.author IS DISTINCT FROM me.name THEN false
    WHEN NEW.reading = 'adjudication' THEN
      me.role = 'adjudicator' AND s.image_id IS NULL
      AND NEW.state IN ('in progress', 'adjudicated', 'ungradable')
      AND (p.state = 'second read' OR NEW.conflict)
    WHEN NEW.reading = 'second' THEN
      s.image_id IS NOT NULL AND NEW.state IN ('in progress', 'second read', 'ungradable')
      AND (p.open OR NEW.conflict OR s.may_revise AND NEW.state = 'in progress')
    WHEN NEW.reading = 'first' THEN
      s.image_id IS NULL
      AND NEW.state IN ('in progress', 'corrected', 'accepted', 'ungradable')
      AND (p.open OR NEW.conflict OR NOT EXISTS (SELECT FROM public.version
        WHERE image_id = NEW.image_id AND round = NEW.round AND kind = 'human'))
  END;
  IF may_add IS NOT TRUE THEN
    PERFORM graded.refuse('this grading is not yours to save');
  END IF;
  INSERT INTO public.version (id, image_id, number, parent_id, prediction_id, kind, reading, round,
    state, conflict, scheme_id, author, model, weights_sha256, program, seconds, change, comment,
    reason, uncertainty, mask, boundaries, probabilities, questionable, checks, created_at,
    checksum)
  VALUES (NEW.id, NEW.image_id, NEW.number, NEW.parent_id, NEW.prediction_id, NEW.kind,
    NEW.reading, NEW.round, NEW.state, NEW.conflict, NEW.scheme_id, NEW.author, NEW.model,
    NEW.weights_sha256, NEW.program, NEW.seconds, NEW.change, NEW.comment, NEW.reason,
    NEW.uncertainty, NEW.mask, NEW.boundaries, NEW.probabilities, NEW.questionable, NEW.checks,
    NEW.created_at, NEW.checksum);
  RETURN NEW;
END
$$;

CREATE TRIGGER add_version INSTEAD OF INSERT ON graded.version
FOR EACH ROW EXECUTE FUNCTION graded.add_version();

-- State and author follow from the newest version. Who was shown a row in part can't know its
-- checksum, unless they replace all that was hidden.
CREATE FUNCTION graded.change_image() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
  me graded.me;
  p graded.progress;
  s graded.second;
  newest public.version;
  may_change boolean := true;
  is_whole boolean;
  new_state text;
  new_author text;
BEGIN
  PERFORM graded.note_write(OLD.id);
  SELECT * INTO me FROM graded.me;
  SELECT * INTO p FROM graded.progress WHERE image_id = OLD.id;
  SELECT * INTO s FROM graded.second WHERE image_id = OLD.id;
  SELECT * INTO newest FROM public.version
    WHERE image_id = OLD.id AND kind = 'human' ORDER BY number DESC LIMIT 1;
  new_state := p.state;
  new_author := p.author;
  is_whole := s.blinded IS NOT TRUE
    OR (p.author IS NULL OR p.author = me.name) AND p.state NOT IN ('accepted', 'ungradable');
  IF NEW.state IS DISTINCT FROM OLD.state OR NEW.author IS DISTINCT FROM OLD.author THEN
    may_change := newest.author = me.name AND newest.round = NEW.round AND NOT newest.conflict;
    IF s.may_revise THEN  -- back to the first grading
      may_change := may_change AND newest.reading = 'second' AND newest.state = 'in progress';
      SELECT v.state, v.author INTO new_state, new_author FROM public.version v
        WHERE v.image_id = OLD.id AND v.round = p.round AND v.kind = 'human'
          AND v.reading = 'first' AND NOT v.conflict
        ORDER BY v.number DESC LIMIT 1;
      is_whole := false;
    ELSE
      IF NEW.state IS DISTINCT FROM OLD.state THEN
        new_state := NEW.state;
      END IF;
      new_author := me.name;
      may_change := may_change AND NEW.author = me.name AND CASE newest.reading
        WHEN 'second' THEN newest.state <> 'in progress' AND new_state = 'second read'
          AND p.open AND p.state IN ('corrected', 'accepted', 'ungradable')
        WHEN 'adjudication' THEN
          new_state = p.state OR newest.state <> 'in progress' AND new_state = newest.state
        ELSE new_state IN (newest.state, p.state)
      END;
      is_whole := is_whole OR newest.reading = 'second';
    END IF;
  END IF;
  IF NEW.round IS DISTINCT FROM OLD.round THEN
    may_change := may_change AND NEW.round = p.round + 1
      AND (s.image_id IS NULL OR NOT p.open AND p.state <> 'second read');
  END IF;
  IF may_change IS NOT TRUE THEN
    PERFORM graded.refuse('this grading is not yours to save');
  END IF;
  BEGIN
    UPDATE public.image SET state = new_state, author = new_author, round = NEW.round,
      conflict = NEW.conflict, uncertainty = NEW.uncertainty, warning = NEW.warning,
      gain = NEW.gain, reason = NEW.reason,
      checksum = CASE WHEN is_whole THEN NEW.checksum ELSE 'hidden' END
    WHERE id = OLD.id;
  EXCEPTION WHEN integrity_constraint_violation THEN  -- whose details are the whole row
    PERFORM graded.refuse('a value is missing');
  END;
  RETURN NEW;
END
$$;

CREATE TRIGGER change_image INSTEAD OF UPDATE ON graded.image
FOR EACH ROW EXECUTE FUNCTION graded.change_image();

-- A member may only become a second grader, or keep the one of the last round, and note that both
-- gradings were seen.
CREATE FUNCTION graded.check_second_grader() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
  me graded.me;
  p graded.progress;
  may_change boolean;
BEGIN
  SELECT * INTO me FROM graded.me;
  IF me.name IS NULL THEN  -- the owner
    RETURN NEW;
  END IF;
  PERFORM graded.note_write(NEW.image_id);
  SELECT * INTO p FROM graded.progress WHERE image_id = NEW.image_id;
  IF TG_OP = 'UPDATE' THEN
    may_change := OLD.round = p.round AND p.state = 'second read'
      AND OLD.compared_at IS NULL AND NEW.compared_at IS NOT NULL;
  ELSE
    may_change := NEW.round = p.round AND NEW.compared_at IS NULL AND (
      NEW.reader = me.name AND p.open AND NOT EXISTS (SELECT FROM public.version v
        WHERE v.image_id = NEW.image_id AND v.round = NEW.round AND v.reading = 'first'
          AND v.author = me.name AND NOT v.conflict)
      OR EXISTS (SELECT FROM public.second_reader s WHERE s.image_id = NEW.image_id
        AND s.round = NEW.round - 1 AND s.reader = NEW.reader)
    );
  END IF;
  IF may_change IS NOT TRUE THEN
    PERFORM graded.refuse('only the owner assigns second graders');
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER check_second_grader BEFORE INSERT OR UPDATE ON public.second_reader
FOR EACH ROW EXECUTE FUNCTION graded.check_second_grader();

-- A round begins with a version of it, which is saved after the image's row and before the commit.
CREATE FUNCTION graded.check_round() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.version WHERE image_id = NEW.id AND round = NEW.round) THEN
    PERFORM graded.refuse('no grading begins this round');
  END IF;
  RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER check_round AFTER UPDATE OF round ON public.image
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.round <> OLD.round)
EXECUTE FUNCTION graded.check_round();

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA graded FROM PUBLIC;

ALTER TABLE public.autosave ENABLE ROW LEVEL SECURITY;
CREATE POLICY member_own ON public.autosave
USING (author = (SELECT name FROM public.member WHERE login = session_user));

ALTER TABLE public.lease ENABLE ROW LEVEL SECURITY;
CREATE POLICY member_seen ON public.lease FOR SELECT USING (true);
CREATE POLICY member_own ON public.lease
USING (expires::timestamptz < pg_catalog.clock_timestamp()
  OR holder = (SELECT name FROM public.member WHERE login = session_user))
WITH CHECK (holder = (SELECT name FROM public.member WHERE login = session_user)
  AND expires::timestamptz < pg_catalog.clock_timestamp() + interval '1 day');
