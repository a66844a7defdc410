"""A round takes one step on everybody whom it waits for, each as a single step would be; who is refused is told, with why."""

import itertools
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from assessment.application import annual_rounds
from assessment.application.annual_rounds import JOB, run_round, start_round
from assessment.persistence.models import AnnualRow, CadreRow, RoundItemRow
from citybus import tables
from citybus.cases import Actor
from citybus.cases.tables import case_steps
from citybus.jobs import Runner
from tests.support.annual import ASSESSOR, COMMITTEE, HEAD, YEAR, Year, bound, officer
from tests.support.assessment import City, some_id
from tests.support.grades import ASSESSOR as ASSESSOR_CLAIMS
from tests.support.grades import COMMITTEE as COMMITTEE_CLAIMS
from tests.support.grades import OTHER_UNIT, Client, problem


@pytest.fixture
def year(module_city: City) -> Year:
    return Year(module_city)


@pytest.fixture(autouse=True)
def _on_time(city: City) -> None:
    """Every test begins on the same day."""


def start(year: Year, action: str, actor: Actor = ASSESSOR, kind: str = "CADRE") -> str:
    with year.city.acting(actor.subject, *actor.roles) as uow:
        row = start_round(bound(), uow, actor, YEAR, kind, action)
        uow.commit()
        return row.id


def work(year: Year, chunk: int = 100) -> None:
    handlers = {JOB: lambda run: run_round(bound(), run, chunk=chunk)}
    assert Runner(year.city.engine, year.city.units, handlers).run_one()


def played(year: Year, action: str, actor: Actor = ASSESSOR, kind: str = "CADRE") -> dict[str, str]:
    """Take a round and return what came of each assessment: TAKEN, or the code of its refusal."""
    round_id = start(year, action, actor, kind)
    work(year)
    return outcomes(year, round_id)


def outcomes(year: Year, round_id: str) -> dict[str, str]:
    items = RoundItemRow.__table__
    found = sorted(year.city.rows(items, items.c.round_id == round_id), key=lambda item: item.place)
    return {str(item.annual_id or item.cadre or item.unit): item.code or item.outcome for item in found}


def state(year: Year, *cases: Any) -> list[str]:
    return [year.again(case).state for case in cases]


def traces(year: Year, case: Any, action: str) -> tuple[Any, ...]:
    """Return the step, audit entry and event of an action on a case, as far as they are the same however taken."""
    (step,) = year.city.rows(case_steps, case_steps.c.case_id == case.id, case_steps.c.action == action)
    audit = tables.audit_entries
    (entry,) = year.city.rows(audit, audit.c.target == f"annual/{case.id}", audit.c.action == f"annual.{action}")
    event = [event for event in year.city.outbox() if event.subject == f"annual/{case.id}"][-1]
    told = {name: value for name, value in event.data.items() if name not in ("annual", "cadre", "unit")}
    return (
        (step.version, step.from_state, step.to_state, step.actor, step.roles, step.reason, step.rule_packs),
        (entry.actor, entry.roles, entry.written, entry.result, entry.correlation_id),
        (event.type, event.sequence, event.actor, event.correlationid, event.rulepack, event.dataclass, told),
    )


def test_a_year_is_opened_for_everybody_who_is_in_office_and_has_no_assessment(year: Year) -> None:
    year.scheme()
    before = {str(row.cadre) for row in year.city.rows(AnnualRow.__table__)}
    assert not before
    ours = [year.cadre(unit) for unit in ("N-2", "N-1", "N-1")]
    suspended, colleague = year.cadre("N-1"), year.cadre("4202-102")
    opened = year.annual(year.cadre("N-1"))
    with year.city.acting() as uow:
        uow.session.execute(update(CadreRow).where(CadreRow.id == suspended).values(state="SUSPENDED"))
        uow.session.execute(update(CadreRow).where(CadreRow.id == ours[2]).values(post_since=date(2015, 1, 1)))
        uow.commit()
    found = played(year, "open")
    rows = {str(row.cadre): row for row in year.city.rows(AnnualRow.__table__)}
    assert set(rows) == {*ours, opened.cadre}
    assert {rows[cadre].state for cadre in ours} == {"OPEN"}
    # Longest in the post first, then by unit; nobody of the officer's own unit.
    reached = [(subject, outcome) for subject, outcome in found.items() if subject != colleague]
    assert reached == [(rows[ours[place]].id, "TAKEN") for place in (2, 1, 0)]
    assert found[colleague] == "AVOIDANCE"
    single, in_round = (traces(year, rows[cadre], "create") for cadre in (opened.cadre, ours[1]))
    assert single[1][1] == []
    assert in_round[1][1] == ["ORG.assess"]
    assert (single[0], single[1][2:], single[2]) == (in_round[0], in_round[1][2:], in_round[2])
    # Whom it is left to is the only one in the next round.
    assert played(year, "open") == {colleague: "AVOIDANCE"}
    assert list(played(year, "open", officer("other", "ORG.assess", unit="N-3")).values()) == ["TAKEN"]


def test_groups_of_all_units_are_opened(year: Year) -> None:
    year.units("N-1", "N-2")
    year.scheme("GROUP")
    one = year.group("N-2")
    found = played(year, "open", kind="GROUP")
    groups = {row.unit for row in year.city.rows(AnnualRow.__table__, AnnualRow.cadre.is_(None))}
    assert {"N-1", "N-2"} <= groups
    assert str(one.id) not in found


def test_a_year_goes_through_its_rounds_and_one_refusal_stops_nobody_else(year: Year) -> None:
    plain, best, flagged, head = (
        year.annual(year.cadre("V-1")),
        year.annual(year.cadre("V-1")),
        year.annual(year.cadre("V-1")),
        year.annual(year.cadre("V-1", HEAD)),
    )
    group = year.group("V-1")
    singly = year.annual(year.cadre("V-1"))
    for case, points, counts in (
        (plain, 80, None),
        (best, 99, None),
        (flagged, 80, {"EXCELLENT": 5, "INCOMPETENT": 5}),
        (head, 80, None),
        (singly, 80, None),
    ):
        evaluated(year, case, points, counts)
    year.take(singly, "verify")
    found = played(year, "verify")
    assert found == {plain.id: "TAKEN", best.id: "TAKEN", head.id: "TAKEN", flagged.id: "BALLOT_FLAGGED"}
    assert state(year, plain, best, flagged, head) == ["VERIFIED", "VERIFIED", "EVALUATED", "VERIFIED"]
    assert sans_roles(traces(year, plain, "verify")) == sans_roles(traces(year, singly, "verify"))

    year.take(flagged, "verify", reason="经核实，属误解")
    # Far enough for both to be excellent.
    year.quota("CADRE")
    for case in (plain, best, flagged, head):
        year.take(case, "propose", officer("assessor-2", "ORG.assess"))
    proposer = officer("assessor-3", "ORG.assess")
    assert year.again(best).proposed_grade == "EXCELLENT"
    assert played(year, "publicize", proposer) == {best.id: "TAKEN"}

    by_committee = played(year, "approve", COMMITTEE)
    assert next(iter(by_committee)) == best.id
    assert by_committee == {
        best.id: "PUBLICITY_OPEN",
        plain.id: "TAKEN",
        flagged.id: "TAKEN",
        head.id: "GROUP_FIRST",
    }
    evaluated(year, group, 80)
    year.take(group, "verify")
    year.take(group, "propose")
    assert played(year, "approve", COMMITTEE, "GROUP") == {group.id: "TAKEN"}
    year.city.clock.advance(timedelta(days=8))
    assert played(year, "approve", COMMITTEE) == {best.id: "TAKEN", head.id: "TAKEN"}
    assert [year.again(case).grade for case in (best, plain, head)] == ["EXCELLENT", "COMPETENT", "COMPETENT"]


def test_who_verified_a_case_does_not_approve_it_and_an_overtaken_plan_is_refused(year: Year) -> None:
    both = officer("both", "ORG.assess", "COMM")
    mine, changed = year.annual(year.cadre("V-2")), year.annual(year.cadre("V-2"))
    for case in (mine, changed):
        evaluated(year, case, 80)
    year.take(mine, "verify", both)
    year.take(changed, "verify")
    for case in (mine, changed):
        year.take(case, "propose")
    round_id = start(year, "approve", both)
    year.take(changed, "propose")
    work(year)
    found = outcomes(year, round_id)
    assert (found[mine.id], found[changed.id]) == ("AVOIDANCE", "STALE_VERSION")
    items = RoundItemRow.__table__
    (stale,) = year.city.rows(items, items.c.round_id == round_id, items.c.annual_id == changed.id)
    assert stale.figures == {"current": 6, "given": 5}


def test_a_round_that_dies_goes_on_and_does_nothing_twice(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [year.annual(year.cadre("V-3")) for _ in range(5)]
    for case in cases:
        evaluated(year, case, 80)
    round_id = start(year, "verify")
    calls, real = itertools.count(), annual_rounds._take

    def dying(*args: Any) -> None:
        if next(calls) == 3:
            raise RuntimeError("the process is gone")
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(annual_rounds, "_take", dying)
        work(year, chunk=2)
    assert sorted(state(year, *cases)) == ["EVALUATED"] * 3 + ["VERIFIED"] * 2
    with year.city.acting() as uow:
        uow.session.execute(update(tables.jobs).where(tables.jobs.c.state == "QUEUED").values(claimed_until=None))
        uow.commit()
    work(year, chunk=2)
    assert set(outcomes(year, round_id).values()) == {"TAKEN"}
    assert [year.told(case).count("verified") for case in cases] == [1] * 5


def test_the_api_starts_a_round_and_lists_its_refusals_page_by_page(year: Year) -> None:
    client = Client(year.city)
    own = [year.cadre("4202-102") for _ in range(3)]
    form = {"year": YEAR, "subject_kind": "CADRE", "action": "open"}
    assert problem(client.post(COMMITTEE_CLAIMS, "/annual-rounds", form)) == (403, "FORBIDDEN")
    assert problem(client.post(ASSESSOR_CLAIMS, "/annual-rounds", {**form, "action": "approve"})) == (403, "FORBIDDEN")
    assert problem(client.post(ASSESSOR_CLAIMS, "/annual-rounds", {**form, "year": 2031})) == (422, "SCHEME_MISSING")
    assert problem(client.post(ASSESSOR_CLAIMS, "/annual-rounds", {**form, "action": "serve"})) == (400, "VALIDATION")
    answer = client.post(ASSESSOR_CLAIMS, "/annual-rounds", form)
    assert (answer.status_code, answer.json["state"], answer.json["taken"]) == (202, "QUEUED", 0)
    assert answer.json["planned"] >= len(own)
    path = answer.headers["Location"]
    assert problem(client.post(ASSESSOR_CLAIMS, "/annual-rounds", form)) == (409, "DUPLICATE")
    work(year)
    done = client.get(ASSESSOR_CLAIMS, path).json
    assert (done["state"], done["taken"] + done["refused"]) == ("DONE", done["planned"])
    assert done["refused_by_code"] == [{"code": "AVOIDANCE", "count": done["refused"]}]
    seen, cursor = [], ""
    while cursor is not None:
        listed = client.get(ASSESSOR_CLAIMS, f"{done['refusals']}?limit=2&code=AVOIDANCE{cursor}").json
        seen += [item["cadre"] for item in listed["items"]]
        assert {item["annual"] for item in listed["items"]} == {None}
        cursor = listed["next"] and f"&cursor={listed['next']}"
    assert set(own) <= set(seen)
    assert len(seen) == len(set(seen)) == done["refused"]
    # Officers of a part of the city see only their own rounds; those of the whole city nothing of their own unit.
    assert problem(client.get(OTHER_UNIT, path)) == (403, "DATA_SCOPE")
    colleague = {**ASSESSOR_CLAIMS, "sub": "colleague"}
    assert client.get(colleague, done["refusals"]).json["items"] == []
    assert len(client.get(COMMITTEE_CLAIMS, done["refusals"]).json["items"]) == done["refused"]
    assert problem(client.get(ASSESSOR_CLAIMS, f"/annual-rounds/{some_id()}")) == (404, "NOT_FOUND")


def test_a_round_stays_within_the_data_scope(year: Year) -> None:
    inside, outside = year.annual(year.cadre("V-5")), year.annual(year.cadre("V-6"))
    for case in (inside, outside):
        evaluated(year, case, 80)
    narrow = officer("narrow", "ORG.assess", units=frozenset({"V-5"}))
    assert played(year, "verify", narrow) == {inside.id: "TAKEN"}
    assert state(year, outside) == ["EVALUATED"]


def evaluated(year: Year, case: Any, points: int, counts: Mapping[str, int] | None = None) -> None:
    year.facts(case)
    year.take(case, "self_report", ASSESSOR, text="述职报告")
    given = ("ACHIEVEMENT", "LEADER") if case.cadre else ("POLITICS", "LEADERSHIP", "ACHIEVEMENT", "CLEANNESS", "STYLE")
    year.take(case, "evaluate", ballot=year.ballot(case, counts), scores=dict.fromkeys(given, points))


def sans_roles(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return traces without the roles of the audit entry, which the tests' own single steps do not name."""
    step, (actor, _, *entry), event = found
    return step, (actor, *entry), event
