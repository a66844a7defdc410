"""Propose the grades of a whole year at once: what `propose` does to each verified assessment, in sets.

First a plan: every assessment's composite, band, limits and grade, ranked by points within the pool of its quota, which
decides who is within it; equal points go by what the roster says (`order.equals`). Then the plan is taken in chunks, each a transaction with one step, audit entry and event for
each assessment. A job that dies goes on at the next chunk. What has changed since the plan is left to be proposed by
hand, or by the next job. People publicise, approve and serve as ever: nothing is decided here.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import text

from assessment.application.order import equals
from assessment.domain.annual import ANNUAL, DECIDED, QUOTA_FULL
from assessment.domain.constraint import Kind
from assessment.domain.grading import EXCELLENT, GRADES, SubjectKind
from assessment.schemas.published import annual_state
from citybus import jobs
from citybus.cases import Actor
from citybus.errors import Refusal
from citybus.jobs import Job, Run
from citybus.outbox import Draft
from citybus.unit_of_work import UnitOfWork

JOB: Final = "annual.close"
CHUNK: Final = 1000

# A chunk reads its rows by their keys, and takes those that were opened one after the other: they lie together, in the
# tables and in the indexes, so that a chunk costs the same however large the year is.
# Grades are numbered from the best, 1; a limit's number is that of the grade it leaves. What `grading.assess` says of one
# case, this says of a set; a test holds the two to each other.
_RECKONED: Final = """
    SELECT a.id, a.version, a.cadre, a.unit, a.quota_category, record.version AS record_version,
           coalesce(record.deduction, 0) AS deduction, points.composite, band.n AS band,
           CASE WHEN bound.forced IS NOT NULL THEN bound.forced
                WHEN coalesce(bound.no_grade, false) THEN NULL
                ELSE greatest(band.n, coalesce(bound.cap, 1)) END AS grade,
           CASE WHEN bound.forced IS NULL AND coalesce(bound.no_grade, false) THEN 'NO_GRADE' ELSE 'GRADED' END AS status,
           coalesce(bound.limits, '[]') AS limits
    FROM annuals a
    JOIN schemes ON schemes.id = a.scheme_id
    LEFT JOIN LATERAL (
        SELECT version, deduction FROM annual_records
        WHERE cadre = a.cadre AND year = a.year ORDER BY version DESC LIMIT 1
    ) record ON true
    CROSS JOIN LATERAL (
        SELECT greatest(0, sum(CAST(weight.value AS numeric) * CAST(a.scores ->> weight.key AS numeric)) * 0.01
                           - coalesce(record.deduction, 0)) AS composite
        FROM jsonb_each_text(schemes.weights) weight
    ) points
    CROSS JOIN LATERAL (
        SELECT min(place.n) AS n FROM unnest(CAST(:grades AS text[])) WITH ORDINALITY place (grade, n)
        WHERE place.n = cardinality(CAST(:grades AS text[]))
           OR points.composite >= CAST(schemes.bands ->> place.grade AS numeric)
    ) band
    LEFT JOIN LATERAL (
        SELECT max(lim.n) FILTER (WHERE lim.kind = 'FORCED') AS forced,
               max(lim.n) FILTER (WHERE lim.kind = 'CAP') AS cap,
               bool_or(lim.kind = 'NO_GRADE') AS no_grade,
               bool_or(lim.kind = 'FLOOR_NONE') AS pending,
               jsonb_agg(
                   jsonb_build_object('kind', lim.kind, 'grade', lim.grade, 'reason_code', lim.reason_code,
                                      'source', lim.source, 'rule_packs', to_jsonb(lim.rule_packs))
                   ORDER BY array_position(CAST(:kinds AS text[]), lim.kind), lim.n DESC NULLS LAST,
                            lim.reason_code COLLATE "C", lim.source COLLATE "C", lim.id
               ) AS limits
        FROM (
            SELECT c.*, array_position(CAST(:grades AS text[]), c.grade) AS n FROM constraints c
            WHERE c.cadre = a.cadre AND c.state = 'ACTIVE'
              AND (c.year = a.year OR (c.open_ended AND c.year < a.year))
        ) lim
    ) bound ON true
    WHERE a.state = 'VERIFIED' AND (bound.forced IS NOT NULL OR NOT coalesce(bound.pending, false))
"""
_PLAN: Final = """
    WITH reckoned AS MATERIALIZED (
        {reckoned} AND a.year = :year AND a.subject_kind = :kind
          AND a.unit IS DISTINCT FROM :own_unit AND (a.cadre = CAST(:own_person AS uuid)) IS NOT TRUE
          AND (CAST(:units AS text[]) IS NULL OR a.unit = ANY(CAST(:units AS text[])))
    ), pools AS (
        SELECT q.*, q.most - (
            SELECT count(*) FROM annuals a
            WHERE a.year = q.year AND a.quota_category = q.category AND (q.unit IS NULL OR a.unit = q.unit)
              AND ((a.state = ANY(:decided) AND a.grade = :excellent)
                OR (a.state IN ('PROPOSED', 'PUBLICIZED') AND a.proposed_grade = :excellent))
        ) AS room
        FROM quotas q WHERE q.year = :year
    ), pooled AS (
        SELECT r.*, coalesce(own.id, whole.id) AS quota_id, coalesce(own.room, whole.room) AS room,
               row_number() OVER (ORDER BY r.composite DESC, {equals}) AS rank
        FROM reckoned r
        LEFT JOIN cadres ON cadres.id = r.cadre
        LEFT JOIN pools own ON own.category = r.quota_category AND own.unit = r.unit
        LEFT JOIN pools whole ON whole.category = r.quota_category AND whole.unit IS NULL
    ), ranked AS (
        SELECT pooled.*, grade = 1 AND quota_id IS NOT NULL
               AND row_number() OVER (PARTITION BY quota_id, grade ORDER BY rank) > room AS quota_full
        FROM pooled
    )
    INSERT INTO annual_close_items
        (job_id, place, annual_id, composite, engine_grade, proposed_grade, quota_full, quota_id, taken)
    SELECT CAST(:job AS uuid), row_number() OVER (ORDER BY id), id, composite, (CAST(:grades AS text[]))[grade],
           (CAST(:grades AS text[]))[CASE WHEN quota_full THEN 2 ELSE grade END], coalesce(quota_full, false), quota_id,
           false
    FROM ranked
"""
_FORGET: Final = """
    DELETE FROM annual_close_items
    WHERE job_id IN (SELECT id FROM jobs WHERE kind = 'annual.close' AND state IN ('DONE', 'FAILED'))
"""
_TAKE: Final = """
    WITH fresh AS MATERIALIZED (
        {reckoned} AND a.id = ANY(ARRAY(
            SELECT annual_id FROM annual_close_items
            WHERE job_id = CAST(:job AS uuid) AND place > :after AND place <= :upto
        ))
    ), moved AS (
        UPDATE annuals SET
            state = 'PROPOSED', version = annuals.version + 1, changed_at = :at,
            record_version = coalesce(fresh.record_version, 0), deduction = fresh.deduction,
            composite = fresh.composite, band = (CAST(:grades AS text[]))[fresh.band],
            engine_grade = items.engine_grade, proposed_grade = items.proposed_grade, proposed_status = fresh.status,
            limits = fresh.limits, quota_id = items.quota_id,
            notes = CASE WHEN items.quota_full THEN ARRAY[CAST(:full AS text)] ELSE CAST('{{}}' AS text[]) END
        FROM fresh
        JOIN annual_close_items items ON items.job_id = CAST(:job AS uuid) AND items.annual_id = fresh.id
        WHERE annuals.id = fresh.id AND annuals.version = fresh.version
          AND fresh.composite = items.composite
          AND items.engine_grade IS NOT DISTINCT FROM (CAST(:grades AS text[]))[fresh.grade]
        RETURNING annuals.id, annuals.subject_kind, annuals.cadre, annuals.unit, annuals.year, annuals.state,
                  annuals.grade, annuals.grade_status, annuals.revision, annuals.cause, annuals.version
    ), stepped AS (
        INSERT INTO case_steps
            (kind, case_id, version, action, from_state, to_state, actor, roles, at, reason, rule_packs)
        SELECT 'annual', id, version, 'propose', 'VERIFIED', state, :actor, CAST(:roles AS text[]), :at, NULL, '{{}}'
        FROM moved ORDER BY id
    ), noted AS (
        UPDATE annual_close_items SET taken = true FROM moved
        WHERE annual_close_items.job_id = CAST(:job AS uuid) AND annual_close_items.annual_id = moved.id
    )
    SELECT CAST(id AS text) AS id, subject_kind, CAST(cadre AS text) AS cadre, unit, year, state, grade, grade_status,
           revision, CAST(cause AS text) AS cause, version
    FROM moved ORDER BY moved.id
"""


def start_closing(uow: UnitOfWork, actor: Actor, year: int, kind: str) -> str:
    """Queue the job for the officer's part of the city, and return its id; what concerns the officer is left out.

    Raises 409 `DUPLICATE` while such a job is queued or runs.
    """
    busy = uow.session.execute(
        text("""
            SELECT id FROM jobs WHERE kind = :job AND state IN ('QUEUED', 'RUNNING')
              AND payload ->> 'year' = :year AND payload ->> 'subject_kind' = :kind
        """),
        {"job": JOB, "year": str(year), "kind": kind},
    ).first()
    if busy is not None:
        raise Refusal("DUPLICATE", zh="该年度正在批量拟定。", en="Such a job is under way already.", status=409)
    payload = {
        "year": year,
        "subject_kind": kind,
        "own_unit": actor.unit,
        "own_person": actor.person,
        "units": None if actor.units is None else sorted(actor.units),
        "roles": sorted(actor.roles),
    }
    job = jobs.enqueue(uow.session, JOB, payload, created_by=actor.subject, correlation_id=uow.context.correlation_id)
    uow.audit("annual.close", f"job/{job}", written={"year": year, "subject_kind": kind})
    return job


def closing(uow: UnitOfWork, job_id: str) -> Job:
    """Return how far a job is. Raises 404 `NOT_FOUND`."""
    job = jobs.find(uow.session, job_id)
    if job is None or job.kind != JOB:
        raise Refusal("NOT_FOUND", zh="没有这次批量拟定。", en="There is no such job.", status=404)
    return job


def close_year(run: Run, *, chunk: int = CHUNK) -> Mapping[str, Any]:
    """Plan, then take the plan in chunks of `chunk`; return how many were proposed, and how many left as they changed."""
    if run.progress == 0:
        with run.step() as uow:
            _plan(uow, run)
            uow.commit()
    with run.step(steps=0) as uow:
        planned = uow.session.execute(
            text("SELECT count(*) FROM annual_close_items WHERE job_id = CAST(:job AS uuid)"), {"job": run.job.id}
        ).scalar_one()
        uow.commit()
    chunks = -(-planned // chunk)
    while run.progress <= chunks:
        with run.step(total=chunks + 2) as uow:
            _take(uow, run, (run.progress - 1) * chunk, run.progress * chunk)
            uow.commit()
    with run.step(steps=0) as uow:
        taken = uow.session.execute(
            text("SELECT count(*) FROM annual_close_items WHERE job_id = CAST(:job AS uuid) AND taken"),
            {"job": run.job.id},
        ).scalar_one()
    return {"planned": planned, "proposed": taken, "left": planned - taken}


def _values(run: Run) -> dict[str, Any]:
    return {
        "job": run.job.id,
        "grades": list(GRADES[SubjectKind(run.payload["subject_kind"])]),
        "kinds": [kind.value for kind in Kind],
    }


def _plan(uow: UnitOfWork, run: Run) -> None:
    payload = run.payload
    uow.session.execute(text(_FORGET))
    uow.session.execute(
        text(_PLAN.format(reckoned=_RECKONED, equals=equals("r"))),
        {
            **_values(run),
            "year": payload["year"],
            "kind": payload["subject_kind"],
            "own_unit": payload["own_unit"],
            "own_person": payload["own_person"],
            "units": payload["units"],
            "decided": sorted(DECIDED),
            "excellent": EXCELLENT,
        },
    )


def _take(uow: UnitOfWork, run: Run, after: int, upto: int) -> None:
    at = uow.clock.now()
    action = ANNUAL.actions["propose"]
    moved = uow.session.execute(
        text(_TAKE.format(reckoned=_RECKONED)),
        {
            **_values(run),
            "after": after,
            "upto": upto,
            "at": at,
            "full": QUOTA_FULL,
            "actor": run.job.created_by,
            "roles": run.payload["roles"],
        },
    )
    for case in moved:
        subject = ANNUAL.subject(case)
        uow.audit(
            "annual.propose",
            subject,
            written={"from": "VERIFIED", "to": case.state, "version": case.version, "fields": []},
        )
        uow.publish(
            Draft(
                type=str(action.event),
                subject=subject,
                data=annual_state(case),
                dataclass=ANNUAL.dataclass,
                mandatory=action.mandatory,
            )
        )
