"""A year closed in sets comes out as one that is closed case by case, and a job that dies goes on where it was."""

import itertools
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from assessment.application import close_year as closing
from assessment.application.close_year import JOB, close_year, start_closing
from assessment.application.constraints import set_constraints
from assessment.domain.constraint import Kind, Wanted
from assessment.domain.grade import Grade
from assessment.persistence.models import AnnualRecordRow, AnnualRow, CadreRow, CloseItemRow, SchemeRow
from citybus import audit, tables
from citybus.cases.tables import case_steps
from citybus.errors import Refusal
from citybus.jobs import Runner
from tests.support.annual import ASSESSOR, YEAR, Year, bound, officer
from tests.support.assessment import City, some_id
from tests.support.grades import ASSESSOR as ASSESSOR_CLAIMS
from tests.support.grades import Client
from tests.support.waiting import eventually

KEPT = (
    "state",
    "version",
    "record_version",
    "deduction",
    "composite",
    "band",
    "engine_grade",
    "proposed_grade",
    "proposed_status",
    "limits",
    "notes",
    "quota_id",
)
BY_WANTS: tuple[tuple[Wanted, ...], ...] = (
    (),
    (Wanted(YEAR, Kind.CAP, "ADMONITION", Grade.COMPETENT, rule_packs=("LOCAL-HS-2016@1",)),),
    (
        Wanted(YEAR, Kind.CAP, "RECALL", Grade.BASICALLY_COMPETENT),
        Wanted(YEAR, Kind.CAP, "ADMONITION", Grade.COMPETENT),
    ),
    (Wanted(YEAR - 1, Kind.NO_GRADE, "SANCTION", open_ended=True), Wanted(YEAR, Kind.CAP, "RECALL", Grade.COMPETENT)),
    (Wanted(YEAR, Kind.FORCED, "SANCTION", Grade.INCOMPETENT), Wanted(YEAR, Kind.NO_GRADE, "ABSENCE")),
    (Wanted(YEAR, Kind.FORCED, "SANCTION", Grade.INCOMPETENT), Wanted(YEAR, Kind.FLOOR_NONE, "CASE_PENDING")),
)
DEDUCTIONS = (None, "0", "4.25", "19.5")
POINTS = ("97", "91.5", "88.88", "60")


@pytest.fixture(scope="module")
def year(module_city: City) -> Year:
    return Year(module_city)


def populate(year: Year) -> list[str]:
    """Make a verified assessment for each mixture of limits, deductions and points; return their ids."""
    made = []
    for number, (wanted, deduction, points) in enumerate(itertools.product(BY_WANTS, DEDUCTIONS, POINTS)):
        cadre = year.cadre(f"N-{number % 3}", ("CIVIL_SERVANT",) if number % 4 == 0 else ("GROUP_MEMBER",))
        case = year.annual(cadre)
        made.append(case.id)
        with year.city.acting() as uow:
            if wanted:
                set_constraints(uow, f"recall/{some_id()}", cadre, wanted)
            scores = {"ACHIEVEMENT": points, "BALLOT": "95", "ROUTINE": points, "LEADER": "90.5"}
            uow.session.execute(
                update(AnnualRow).where(AnnualRow.id == case.id).values(state="VERIFIED", scores=scores)
            )
            for version in (1, 2) if deduction else ():
                uow.session.add(
                    AnnualRecordRow(
                        cadre=cadre,
                        year=YEAR,
                        version=version,
                        deduction=Decimal(deduction or 0) if version == 2 else Decimal(20),
                        points=Decimal(20),
                        cap=Decimal(20),
                        cap_pack="LOCAL-HS-2016@1",
                        items=[],
                        recorded_at=uow.clock.now(),
                        cause=some_id(),
                        correlation_id="c",
                    )
                )
            uow.commit()
    year.tick()
    return made


def outcome(year: Year, ids: list[str]) -> dict[str, tuple[Any, ...]]:
    rows = year.city.rows(AnnualRow.__table__, AnnualRow.id.in_(ids))
    return {str(row.id): tuple(getattr(row, name) for name in KEPT) for row in rows}


def traces(year: Year, ids: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the last step, audit entry and event of each assessment, as far as they tell the same however made."""
    steps = {
        str(row.case_id): (row.version, row.action, row.from_state, row.to_state, row.actor, row.roles, row.rule_packs)
        for row in year.city.rows(case_steps, case_steps.c.case_id.in_(ids), case_steps.c.action == "propose")
    }
    entries = tables.audit_entries
    audits = {
        row.target.partition("/")[2]: (row.actor, row.written, row.result)
        for row in year.city.rows(entries, entries.c.action == "annual.propose")
    }
    events = {
        event.data["annual"]: (event.subject, event.sequence, event.data, event.actor, event.dataclass, event.rulepack)
        for event in year.city.outbox()
        if event.type == "assessment.annual.proposed.v1"
    }
    return {each: [steps.get(each, ()), audits.get(each, ()), events.get(each, ())] for each in ids}


def back(year: Year, ids: list[str]) -> None:
    """Put the assessments back to where they were verified, with nothing told of the proposal."""
    with year.city.acting() as uow:
        uow.session.execute(
            update(AnnualRow)
            .where(AnnualRow.id.in_(ids), AnnualRow.state == "PROPOSED")
            .values(
                state="VERIFIED",
                version=AnnualRow.version - 1,
                record_version=None,
                deduction=None,
                composite=None,
                band=None,
                engine_grade=None,
                proposed_grade=None,
                proposed_status=None,
                limits=[],
                notes=[],
                quota_id=None,
            )
        )
        uow.session.execute(delete(case_steps).where(case_steps.c.case_id.in_(ids), case_steps.c.action == "propose"))
        outbox, sequences = tables.outbox_messages, tables.subject_sequences
        proposed = select(outbox.c.subject).where(outbox.c.type == "assessment.annual.proposed.v1")
        uow.session.execute(
            update(sequences).where(sequences.c.subject.in_(proposed)).values(last=sequences.c.last - 1)
        )
        uow.session.execute(delete(outbox).where(outbox.c.type == "assessment.annual.proposed.v1"))
        uow.session.execute(delete(CloseItemRow))
        uow.commit()


def start(year: Year) -> str:
    with year.city.acting(ASSESSOR.subject) as uow:
        job = start_closing(uow, ASSESSOR, YEAR, "CADRE")
        uow.commit()
        return job


def runner(year: Year, handler: Any) -> Runner:
    return Runner(year.city.engine, year.city.units, {JOB: handler})


def job_row(year: Year, job: str) -> Any:
    (row,) = year.city.rows(tables.jobs, tables.jobs.c.id == job)
    return row


def ended(year: Year, job: str) -> Mapping[str, Any]:
    row = job_row(year, job)
    assert row.state == "DONE", row.last_error
    result: Mapping[str, Any] = row.result
    return result


@pytest.fixture(scope="module")
def population(year: Year) -> list[str]:
    ids = populate(year)
    for category in ("CADRE", "CIVIL_SERVANT"):
        quota = year.quota(category)
        with year.city.acting() as uow:
            # So few that the quota binds.
            uow.session.execute(update(type(quota)).where(type(quota).id == quota.id).values(most=3))
            uow.commit()
    return ids


def test_sets_and_single_cases_give_equal_results(year: Year, population: list[str]) -> None:
    job = start(year)
    assert runner(year, lambda run: close_year(run, chunk=17)).run_one()
    in_sets, told_in_sets = outcome(year, population), traces(year, population)
    assert ended(year, job) == {"planned": len(population), "proposed": len(population), "left": 0}
    assert {values[7] for values in in_sets.values()} >= {"EXCELLENT", "COMPETENT", "INCOMPETENT", None}
    assert sum(values[10] == ["QUOTA_FULL"] for values in in_sets.values()) > 0
    assert sum(values[7] == "EXCELLENT" for values in in_sets.values()) == 6

    home = {str(row.id): row.unit for row in year.city.rows(AnnualRow.__table__, AnnualRow.id.in_(population))}
    best_first = sorted(population, key=lambda each: (-in_sets[each][4], home[each], each))
    back(year, population)
    for each in best_first:
        with year.city.acting(ASSESSOR.subject, "ORG.assess") as uow:
            version = uow.session.get_one(AnnualRow, each).version
            bound().annuals.take(uow, each, "propose", ASSESSOR, {}, version)
            uow.commit()
    assert outcome(year, population) == in_sets
    assert traces(year, population) == told_in_sets
    back(year, population)


def test_a_process_killed_between_chunks_leaves_a_year_that_ends_the_same(year: Year, population: list[str]) -> None:
    back(year, population)
    start(year)
    assert runner(year, lambda run: close_year(run, chunk=17)).run_one()
    whole, told = outcome(year, population), traces(year, population)
    (in_third,) = year.city.rows(CloseItemRow.annual_id, CloseItemRow.place == 2 * 17 + 1)
    back(year, population)

    job = start(year)
    with year.city.engine.connect() as other:
        # The third chunk waits for a row that somebody holds; there the process is killed.
        other.execute(select(AnnualRow.id).where(AnnualRow.id == in_third.annual_id).with_for_update())
        url = year.city.engine.url.render_as_string(hide_password=False)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.closing_process", url, year.city.units.source, "17"]
        )
        try:
            eventually(lambda: job_row(year, job).progress == 3, within=60, what="the plan and two chunks are done")
        finally:
            process.kill()
            process.wait()
    assert sum(values[0] == "PROPOSED" for values in outcome(year, population).values()) == 2 * 17
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(claimed_until=None))
        uow.commit()
    assert runner(year, lambda run: close_year(run, chunk=17)).run_one()
    assert ended(year, job) == {"planned": len(population), "proposed": len(population), "left": 0}
    assert job_row(year, job).attempts == 2
    assert outcome(year, population) == whole
    assert traces(year, population) == told
    subjects = [event.subject for event in year.city.outbox() if event.type == "assessment.annual.proposed.v1"]
    assert len(subjects) == len(set(subjects)) == len(population)
    assert audit.verify(year.city.engine).ok
    back(year, population)


def test_a_job_that_dies_goes_on_and_does_nothing_twice(
    year: Year, population: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        """The process is gone."""

    taken, real = itertools.count(), closing._take

    def dying(*args: Any) -> None:
        if next(taken) == 2:
            raise Died
        real(*args)

    monkeypatch.setattr(closing, "_take", dying)
    job = start(year)
    with pytest.raises(Refusal, match="DUPLICATE"):
        start(year)
    assert runner(year, lambda run: close_year(run, chunk=17)).run_one()
    half = [each for each, values in outcome(year, population).items() if values[0] == "PROPOSED"]
    assert len(half) == 34
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(claimed_until=None))
        # Somebody acted in between: what changed is left alone.
        left = next(each for each, values in sorted(outcome(year, population).items()) if values[0] == "VERIFIED")
        uow.session.execute(
            update(AnnualRow)
            .where(AnnualRow.id == left)
            .values(scores={"ACHIEVEMENT": "1", "BALLOT": "1", "ROUTINE": "1", "LEADER": "1"})
        )
        uow.commit()
    assert runner(year, lambda run: close_year(run, chunk=17)).run_one()
    assert ended(year, job) == {"planned": len(population), "proposed": len(population) - 1, "left": 1}
    found = outcome(year, population)
    assert {values[0] for each, values in found.items() if each != left} == {"PROPOSED"}
    assert found[left][0] == "VERIFIED"
    told = [event.subject for event in year.city.outbox() if event.type == "assessment.annual.proposed.v1"]
    assert len(told) == len(set(told)) == len(population) - 1


def test_what_concerns_the_officer_is_left_out(year: Year, population: list[str]) -> None:
    back(year, population)
    own = officer("assessor", "ORG.assess", unit="N-0", units=frozenset({"N-0", "N-1"}))
    with year.city.acting(own.subject) as uow:
        start_closing(uow, own, YEAR, "CADRE")
        uow.commit()
    assert runner(year, close_year).run_one()
    with year.city.engine.connect() as connection:
        units = connection.execute(select(AnnualRow.unit).where(AnnualRow.state == "PROPOSED").distinct()).scalars()
        assert set(units) == {"N-1"}


def test_groups_are_closed_by_an_officer_who_is_on_no_roster(year: Year) -> None:
    case = year.verified(year.group("N-7"), points=80)
    assert ASSESSOR.person is None
    with year.city.acting(ASSESSOR.subject) as uow:
        start_closing(uow, ASSESSOR, YEAR, "GROUP")
        uow.commit()
    assert runner(year, close_year).run_one()
    assert (year.again(case).state, year.again(case).proposed_grade) == ("PROPOSED", "GOOD")


def test_equal_points_go_by_the_roster_whatever_the_ids_are(year: Year) -> None:
    # By themselves the ids would put the last first or the first last: in the one year or in the other.
    excellent = []
    for played, since in ((YEAR - 2, (2019, 2012, 2016)), (YEAR - 3, (2012, 2016, 2019))):
        year.scheme(year=played)
        for began in since:
            cadre = year.cadre("N-7")
            with year.city.acting() as uow:
                uow.session.execute(
                    update(CadreRow).where(CadreRow.id == cadre).values(post_since=date(began, 5, 1), name=str(began))
                )
                # The window of these years is over, so the assessment is not opened but put there.
                uow.session.add(a_verified(uow, cadre, played))
                uow.commit()
        quota = year.quota("CADRE", year=played)
        with year.city.acting(ASSESSOR.subject) as uow:
            uow.session.execute(update(type(quota)).where(type(quota).id == quota.id).values(most=2))
            start_closing(uow, ASSESSOR, played, "CADRE")
            uow.commit()
        assert runner(year, close_year).run_one()
        with year.city.engine.connect() as connection:
            found = select(CadreRow.name).join(AnnualRow, AnnualRow.cadre == CadreRow.id)
            found = found.where(AnnualRow.year == played, AnnualRow.proposed_grade == "EXCELLENT")
            excellent.append(sorted(connection.execute(found).scalars()))
    assert excellent == [["2012", "2016"], ["2012", "2016"]]


def a_verified(uow: Any, cadre: str, played: int) -> AnnualRow:
    scheme = uow.session.scalars(select(SchemeRow).where(SchemeRow.year == played)).one()
    now = uow.clock.now()
    return AnnualRow(
        id=some_id(),
        state="VERIFIED",
        version=4,
        created_at=now,
        changed_at=now,
        correlation_id="c",
        subject_kind="CADRE",
        cadre=cadre,
        unit="N-7",
        year=played,
        scheme_id=scheme.id,
        head=False,
        quota_category="CADRE",
        ballot_flagged=False,
        scores={"ACHIEVEMENT": "95", "BALLOT": "95", "ROUTINE": "95", "LEADER": "95"},
        limits=[],
        notes=[],
        revision=0,
    )


def test_the_api_starts_a_job_and_tells_how_it_ended(year: Year) -> None:
    client = Client(year.city)
    answer = client.post(ASSESSOR_CLAIMS, "/annual-closings", {"year": 2019})
    assert (answer.status_code, answer.json["state"]) == (202, "QUEUED")
    assert runner(year, close_year).run_one()
    done = client.get(ASSESSOR_CLAIMS, answer.headers["Location"]).json
    assert (done["state"], done["result"]) == ("DONE", {"planned": 0, "proposed": 0, "left": 0})
    assert client.get(ASSESSOR_CLAIMS, f"/annual-closings/{some_id()}").status_code == 404
