"""Closing a year: the job that proposes all grades, and one hand-written script that leaves the same rows behind."""

import json
import os
import subprocess
import sys
import time

import psycopg2
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from assessment.application.close_year import start_closing
from citybus import audit, jobs, migrations
from citybus.cases import Actor
from citybus.clock import SystemClock
from citybus.database import engine
from citybus.processes import migrations_of
from citybus.unit_of_work import Context, Units

YEAR = 2023
SOURCE = "/city/420200/assessment"
ASSESSOR = Actor("bench", frozenset({"ORG.assess"}), units=None, unit="OFFICE", person=None)
CHUNK = 1000

SEED = """
    INSERT INTO roster_imports (id, state, file_name, sha256, size, job_id, uploaded_by, uploaded_at)
    VALUES (gen_random_uuid(), 'IMPORTED', '', '', 0, gen_random_uuid(), 'bench', now());
    INSERT INTO units (code, name, kind, sector, registered_at, import_id)
    SELECT 'U-' || n, 'U', 'CITY_DEPT', 'GOVERNMENT', now(), (SELECT id FROM roster_imports LIMIT 1)
    FROM generate_series(0, 88) n;
    INSERT INTO schemes (id, state, version, created_at, changed_at, correlation_id, year, target_kind, weights, bands)
    VALUES (gen_random_uuid(), 'FROZEN', 1, now(), now(), 'b', 2023, 'CADRE',
            '{"ACHIEVEMENT": "40", "BALLOT": "20", "ROUTINE": "20", "LEADER": "20"}',
            '{"EXCELLENT": "90", "COMPETENT": "70", "BASICALLY_COMPETENT": "60"}');
    CREATE TEMP TABLE people ON COMMIT DROP AS
    SELECT n, uuidv7() AS cadre, 'U-' || n % 89 AS unit FROM generate_series(1, %(count)s) n;
    INSERT INTO cadres (id, state, version, created_at, changed_at, correlation_id, name, id_no, id_no_index, birth, unit,
        post, post_since, rank, party_member, manage_level, categories, effective_on, registered_at, import_id)
    SELECT cadre, 'ACTIVE', 1, now(), now(), 'b', 'N-' || n, '', convert_to(n::text, 'UTF8'),
           date '1970-01-01' + n % 9000, unit, 'P', date '2015-01-01' + n % 3000, 'R', true, 'CITY', '{}',
           date '2015-01-01', now(), (SELECT id FROM roster_imports)
    FROM people;
    INSERT INTO annuals (id, state, version, created_at, changed_at, correlation_id, subject_kind, cadre, unit, year,
        scheme_id, head, quota_category, ballot_flagged, scores, limits, notes, revision)
    SELECT uuidv7(), 'VERIFIED', 4, now(), now(), 'b', 'CADRE', cadre, unit, 2023,
           (SELECT id FROM schemes), false, 'CADRE', false,
           jsonb_build_object('ACHIEVEMENT', (50 + n % 50)::text, 'BALLOT', (60 + n % 40)::text,
                              'ROUTINE', '85', 'LEADER', (70 + n % 29)::text),
           '[]', '{}', 0
    FROM people;
    INSERT INTO annual_records (cadre, year, version, deduction, points, cap, cap_pack, items, recorded_at, cause,
        correlation_id)
    SELECT cadre, 2023, 1, 4, 4, 20, 'P@1', '[]', now(), gen_random_uuid(), 'b'
    FROM people WHERE n % 19 = 0;
    INSERT INTO constraints (id, state, version, created_at, changed_at, correlation_id, cadre, year, kind, grade,
        reason_code, source, findings, open_ended, hidden, rule_packs, active_at)
    SELECT uuidv7(), 'ACTIVE', 1, now(), now(), 'b', cadre, 2023, 'CAP', 'COMPETENT', 'ADMONITION',
           'measure/' || n, '{}', false, false, '{}', now()
    FROM people WHERE n % 11 = 0;
    INSERT INTO quotas (id, state, version, created_at, changed_at, correlation_id, year, category, approved_higher,
        ratio, rounding, counts_no_grade, base, most)
    VALUES (gen_random_uuid(), 'LOCKED', 1, now(), now(), 'b', 2023, 'CADRE', false, 25, 'HALF_UP', true,
            %(count)s, %(count)s / 20);
    INSERT INTO subject_sequences (subject, last) SELECT 'annual/' || id, 4 FROM annuals;
    ANALYZE;
"""

# What somebody would write by hand who knew what the year holds: one pass, one transaction, no chunks, no plan, no check
# of what changed meanwhile. The audit chain hashes each entry on the one before it, in a loop.
SCRIPT = """
    CREATE TEMP TABLE proposed ON COMMIT DROP AS
    WITH points AS (
        SELECT a.id, coalesce(r.deduction, 0) AS deduction, coalesce(r.version, 0) AS record_version,
               greatest(0, ((a.scores ->> 'ACHIEVEMENT')::numeric * 40 + (a.scores ->> 'BALLOT')::numeric * 20
                   + (a.scores ->> 'ROUTINE')::numeric * 20 + (a.scores ->> 'LEADER')::numeric * 20) * 0.01
                   - coalesce(r.deduction, 0)) AS composite
        FROM annuals a
        LEFT JOIN (SELECT DISTINCT ON (cadre) cadre, version, deduction FROM annual_records WHERE year = 2023
                   ORDER BY cadre, version DESC) r ON r.cadre = a.cadre
        WHERE a.year = 2023 AND a.state = 'VERIFIED'
    ), capped AS (
        SELECT p.*, a.cadre, CASE WHEN p.composite >= 90 THEN 1 WHEN p.composite >= 70 THEN 2 WHEN p.composite >= 60 THEN 3 ELSE 4 END AS band,
               c.n AS cap, c.limits
        FROM points p JOIN annuals a USING (id)
        LEFT JOIN (
            SELECT cadre, max(array_position(ARRAY['EXCELLENT','COMPETENT','BASICALLY_COMPETENT','INCOMPETENT'], grade)) AS n,
                   jsonb_agg(jsonb_build_object('kind', kind, 'grade', grade, 'reason_code', reason_code,
                                                'source', source, 'rule_packs', to_jsonb(rule_packs))) AS limits
            FROM constraints WHERE state = 'ACTIVE' AND year = 2023 GROUP BY cadre
        ) c ON c.cadre = a.cadre
    )
    SELECT capped.*, greatest(band, coalesce(cap, 1)) AS engine,
           greatest(band, coalesce(cap, 1)) = 1 AND row_number() OVER (
               PARTITION BY greatest(band, coalesce(cap, 1)) ORDER BY composite DESC, c.post_since, c.birth,
                   c.unit COLLATE "C", c.name COLLATE "C") > (SELECT most FROM quotas) AS full_up
    FROM capped JOIN cadres c ON c.id = capped.cadre;
    UPDATE annuals SET state = 'PROPOSED', version = version + 1, changed_at = now(), record_version = p.record_version,
        deduction = p.deduction, composite = p.composite,
        band = (ARRAY['EXCELLENT','COMPETENT','BASICALLY_COMPETENT','INCOMPETENT'])[p.band],
        engine_grade = (ARRAY['EXCELLENT','COMPETENT','BASICALLY_COMPETENT','INCOMPETENT'])[p.engine],
        proposed_grade = (ARRAY['EXCELLENT','COMPETENT','BASICALLY_COMPETENT','INCOMPETENT'])[p.engine + p.full_up::int],
        proposed_status = 'GRADED', limits = coalesce(p.limits, '[]'), quota_id = (SELECT id FROM quotas),
        notes = CASE WHEN p.full_up THEN ARRAY['QUOTA_FULL'] ELSE '{}'::text[] END
    FROM proposed p WHERE p.id = annuals.id;
    INSERT INTO case_steps (kind, case_id, version, action, from_state, to_state, actor, roles, at, rule_packs)
    SELECT 'annual', a.id, a.version, 'propose', 'VERIFIED', 'PROPOSED', 'bench', '{ORG.assess}', now(), '{}'
    FROM annuals a JOIN proposed USING (id);
    UPDATE subject_sequences SET last = last + 1 FROM proposed WHERE subject = 'annual/' || id;
    INSERT INTO outbox_messages (id, type, subject, sequence, exchange, routing_key, mandatory, body, correlation_id)
    SELECT e.event, 'assessment.annual.proposed.v1', 'annual/' || a.id, s.last, 'city.events',
           'assessment.annual.proposed.v1', false,
           convert_to(jsonb_build_object(
               'specversion', '1.0', 'id', e.event, 'source', '/city/420200/assessment',
               'type', 'assessment.annual.proposed.v1', 'subject', 'annual/' || a.id, 'time', now(),
               'datacontenttype', 'application/json', 'dataschema', 'urn:city:schema:assessment.annual.proposed.v1',
               'correlationid', 'b', 'actor', 'bench', 'dataclass', 'L3', 'sequence', s.last,
               'data', jsonb_build_object('annual', a.id, 'subject_kind', a.subject_kind, 'cadre', a.cadre,
                   'unit', a.unit, 'year', a.year, 'state', a.state, 'grade', a.grade,
                   'grade_status', a.grade_status, 'revision', a.revision, 'cause', a.cause))::text, 'UTF8'),
           'b'
    FROM annuals a JOIN proposed USING (id) JOIN subject_sequences s ON s.subject = 'annual/' || a.id
    CROSS JOIN LATERAL (SELECT gen_random_uuid() AS event, a.id) e;
    DO $$
    DECLARE
        entry record; n bigint := 0; head bytea := ''; content text;
    BEGIN
        INSERT INTO audit_chains (chain, number, hash) VALUES (0, 0, '') ON CONFLICT DO NOTHING;
        SELECT number, hash INTO n, head FROM audit_chains WHERE chain = 0 FOR UPDATE;
        FOR entry IN SELECT a.id, a.version FROM annuals a JOIN proposed USING (id) LOOP
            n := n + 1;
            content := jsonb_build_object('action', 'annual.propose', 'actor', 'bench', 'at', now(), 'chain', 0,
                'number', n, 'target', 'annual/' || entry.id, 'version', entry.version)::text;
            INSERT INTO audit_entries (id, chain, number, at, actor, roles, purpose, action, target, correlation_id,
                                       read_fields, written, result, prev_hash, hash)
            VALUES (gen_random_uuid(), 0, n, now(), 'bench', '{}', 'script', 'annual.propose', 'annual/' || entry.id,
                    'b', '{}', jsonb_build_object('from', 'VERIFIED', 'to', 'PROPOSED', 'version', entry.version), 'OK',
                    head, '\\x1220' || sha256(head || convert_to(content, 'UTF8')));
            head := '\\x1220' || sha256(head || convert_to(content, 'UTF8'));
        END LOOP;
        UPDATE audit_chains SET number = n, hash = head WHERE chain = 0;
    END $$;
"""


_grades: dict[int, str] = {}
"""A digest of all grades, by size of the year: whoever closes it first sets it."""


def seed(dsn: str, count: int) -> None:
    """Migrate the empty database at `dsn` and fill it with `count` verified assessments."""
    migrations.upgrade(make_url(dsn.replace("postgresql://", "postgresql+psycopg2://")), migrations_of("assessment"))
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        # Only the counts are parameters; percent signs of the text are modulo.
        cursor.execute(SEED.replace("%(count)s", str(int(count))))
    connection.close()


def by_job(dsn: str, count: int) -> tuple[float, float]:
    """Return the seconds in which a process of its own proposes a year of `count`, and the most MiB that it took."""
    seed(dsn, count)
    url = dsn.replace("postgresql://", "postgresql+psycopg2://")
    made = engine(url, application="bench")
    units = Units(sessionmaker(made, expire_on_commit=False), SOURCE, SystemClock())
    with units(Context("bench", ("ORG.assess",), "bench", "bench")) as uow:
        job = start_closing(uow, ASSESSOR, YEAR, "CADRE")
        uow.commit()
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.support.closing_process", url, SOURCE, str(CHUNK)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(process.stdout.splitlines()[-1])
    with units(Context("bench", (), "bench", "bench")) as uow:
        done = jobs.find(uow.session, job)
    if done is None or done.result != {"planned": count, "proposed": count, "left": 0}:
        raise RuntimeError(f"the job did not end as it should: {done}")
    _check(dsn, count)
    found = audit.verify(made)
    made.dispose()
    if not found.ok or found.entries < count:
        raise RuntimeError(f"the audit trail is not whole: {found}")
    return told["seconds"], told["memory"]


def by_script(dsn: str, count: int) -> float:
    """Return the seconds in which the script does the same."""
    seed(dsn, count)
    connection = psycopg2.connect(dsn)
    began = time.perf_counter()
    with connection, connection.cursor() as cursor:
        cursor.execute(SCRIPT)
    took = time.perf_counter() - began
    connection.close()
    _check(dsn, count)
    return took


def _check(dsn: str, count: int) -> None:
    """Raise RuntimeError unless there is one step, audit entry and event for each, and the grades are the other way's."""
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("""
            SELECT (SELECT count(*) FROM annuals WHERE state = 'PROPOSED'), (SELECT count(*) FROM case_steps),
                   (SELECT count(*) FROM audit_entries WHERE action = 'annual.propose'),
                   (SELECT count(*) FROM outbox_messages)
        """)
        found = cursor.fetchone()
        cursor.execute("""
            SELECT md5(string_agg(concat_ws(' ', c.name, a.composite, a.engine_grade, a.proposed_grade, a.notes), ','
                                  ORDER BY c.name COLLATE "C"))
            FROM annuals a JOIN cadres c ON c.id = a.cadre
        """)
        ((grades,),) = cursor.fetchall()
    connection.close()
    if found != (count, count, count, count):
        raise RuntimeError(f"{count} of each are wanted, there are {found}")
    if _grades.setdefault(count, grades) != grades:
        raise RuntimeError("job and script do not come to the same grades")
