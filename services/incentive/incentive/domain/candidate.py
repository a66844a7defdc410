"""Candidates of a batch (I12): nominated, checked by the gate, shortlisted, selected, appointed or dropped.

The gate is asked again at each step, for a cadre's standing may have changed: what does not pass leads no further. Whoever
is stopped when the batch is to be decided goes back to CHECKED, and only the committee drops them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.calendar import add_months
from citybus.cases.declare import Action, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.rulepack import Rules
from citybus.secrecy import refuse_marked
from incentive.domain.gate import Evaluation, Reason, Standing, Verdict, explain
from incentive.domain.texts import plain_texts

SELECTORS: Final[Mapping[str, Reach]] = {"ORG.cadre": Reach.OFFICE}
COMMITTEE: Final[Mapping[str, Reach]] = {"COMM": Reach.OFFICE}
OPEN: Final = frozenset({"OPEN", "SELECTING"})
"""States of a batch in which candidates are nominated and checked."""
CRITERIA: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "AGE_LIMIT": ("年龄超过上限", "above the age limit"),
        "ANNUAL_RESULTS": ("近年年度考核结果不符合要求", "annual results of the last years are not as wanted"),
        "DEGREE": ("学历学位不符合要求", "not one of the degrees that are wanted"),
        "PUBLIC_INSTITUTION": ("岗位不是事业单位岗位", "the post is not of a public institution"),
        "SPECIALTY": ("未填写专业特长", "no specialty is named"),
        "YOUNGER": ("年龄不低于班子平均年龄", "not younger than the group is on average"),
        "TEN_YEARS": (
            "截至批次年度年底任同一职务未满规定年限",
            "not long enough in the same post by the end of the batch's year",
        ),
    }
)
"""The criteria of the six kinds (3.6), with labels."""
_AT_LEAST_COMPETENT: Final = frozenset({"COMPETENT", "EXCELLENT"})


class Candidate(Protocol):
    """What the rules read and change of a candidate.

    `cadre` is None for somebody from outside, of whom `external` holds `{name, degree, consent_on}`; `verdict` and
    `reasons` (`{code, until, pending}` each) are those of the last check; `to_confirm` is true while the committee has
    to confirm that somebody who was stopped at the decision is dropped.
    """

    id: str
    state: str
    batch_id: str
    kind: str
    position: str
    unit: str
    cadre: str | None
    external: dict[str, Any] | None
    born_on: date
    specialty: str | None
    verdict: str | None
    reasons: list[dict[str, Any]]
    checked_on: date | None
    to_confirm: bool
    appointed_on: date | None


@dataclass(frozen=True, slots=True)
class AboutBatch:
    """What a candidate's rules read of the batch; `positions` by key."""

    state: str
    kind: str
    year: int
    positions: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CandidateFacts:
    """What was looked up for a step. `evaluation` is the gate's answer of today, None where the kind asks no gate.

    `qualified` and `selected` are how many of the position are on the shortlist (the selected among them), and selected;
    `nominated` says whether the same person stands for the batch already.
    """

    batch: AboutBatch | None = None
    standing: Standing = field(default_factory=lambda: Standing({}, {}))
    evaluation: Evaluation | None = None
    nominated: bool = False
    qualified: int = 0
    selected: int = 0


class CandidateMachine(StateMachine):
    """NOMINATED → CHECKED → SHORTLISTED → SELECTED → APPOINTED; DROPPED before the appointment."""

    NOMINATED = State(initial=True)
    CHECKED = State()
    SHORTLISTED = State()
    SELECTED = State()
    APPOINTED = State(final=True)
    DROPPED = State(final=True)

    check = NOMINATED.to(CHECKED)
    recheck = CHECKED.to(CHECKED)
    block = CHECKED.to(CHECKED) | SELECTED.to(CHECKED)
    shortlist = CHECKED.to(SHORTLISTED)
    select = SHORTLISTED.to(SELECTED)
    drop = CHECKED.to(DROPPED) | SHORTLISTED.to(DROPPED) | SELECTED.to(DROPPED)
    appoint = SELECTED.to(APPOINTED)


def scope(case: Candidate) -> Scope:
    """Return whom a candidate concerns: the unit of the position, and the cadre, who is told by the publicity alone."""
    persons = frozenset() if case.cadre is None else frozenset({case.cadre})
    return Scope(units=frozenset({case.unit}), persons=persons, disclosed=False)


def nominate(step: Step) -> None:
    """Take over a nomination.

    Raises 422 `UNKNOWN_BATCH`, `UNKNOWN_POSITION`, `UNKNOWN_CADRE`, `WRONG_PERSON` (a cadre where outsiders are sought,
    or the other way round), `CONSENT_MISSING`, `NOT_ELIGIBLE` with the criteria that are not met; 409 `BATCH_CLOSED`,
    `DUPLICATE`; 451 `SECRECY_LEVEL`.
    """
    case: Candidate = step.case
    facts: CandidateFacts = step.facts
    if facts.batch is None:
        raise Refusal("UNKNOWN_BATCH", zh="没有该批次。", en="There is no such batch.")
    case.batch_id, case.kind, case.position = str(step.form["batch"]), facts.batch.kind, step.form["position"]
    _open(facts.batch)
    position = facts.batch.positions.get(case.position)
    if position is None:
        raise Refusal(
            "UNKNOWN_POSITION",
            zh="批次中没有该岗位。",
            en="The batch has no such position.",
            known=sorted(facts.batch.positions),
        )
    case.unit, case.cadre, case.external = position["unit"], step.form.get("cadre"), _external(step)
    case.born_on, case.specialty = step.form["born_on"], step.form.get("specialty")
    case.verdict, case.reasons, case.checked_on, case.appointed_on = None, [], None, None
    case.to_confirm = False
    refuse_marked([case.specialty, (case.external or {}).get("name")], step.rules)
    if facts.nominated:
        raise Refusal(
            "DUPLICATE", zh="该人已在本批次提名。", en="This person stands for the batch already.", status=409
        )
    _right_person(step, facts.standing)
    unmet = criteria(case, facts.batch, facts.standing, step)
    if unmet:
        figures = _figures(case, facts.batch, facts.standing, step, unmet)
        shown = "；".join(f"{name} {value}" for name, value in figures.items())
        raise Refusal(
            "NOT_ELIGIBLE",
            zh=f"不符合本批次条件：{'、'.join(CRITERIA[code][0] for code in unmet)}（{shown}）。",
            en=f"The criteria of the batch are not met: {', '.join(CRITERIA[code][1] for code in unmet)} ({shown}).",
            unmet=unmet,
            **figures,
        )


def _external(step: Step) -> dict[str, Any] | None:
    given = step.form.get("external")
    if given is None:
        return None
    consent = given.get("consent_on")
    return {**given, "consent_on": None if consent is None else consent.isoformat()}


def _open(batch: AboutBatch) -> None:
    if batch.state not in OPEN:
        raise Refusal(
            "BATCH_CLOSED",
            zh="该批次当前不在提名遴选阶段。",
            en="The batch is not open for candidates now.",
            status=409,
            state=batch.state,
        )


def _right_person(step: Step, known: Standing) -> None:
    case: Candidate = step.case
    outside = not asks_gate(step.rules, case.kind)
    if (case.cadre is None) != outside or (case.external is not None) != outside:
        raise Refusal(
            "WRONG_PERSON",
            zh="本批次须提名在册干部。" if not outside else "本批次面向社会招引，请填写应聘人员信息。",
            en="This batch is for cadres of the roster." if not outside else "This batch is for people from outside.",
        )
    if case.cadre is not None and known.unit is None:
        raise Refusal("UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[case.cadre])
    if case.external is not None and not case.external["consent_on"]:
        raise Refusal(
            "CONSENT_MISSING",
            zh="须有应聘人员同意处理个人信息的记录。",
            en="A record of the person's consent is wanted (PIPL, article 13).",
        )


def asks_gate(rules: Rules, kind: str) -> bool:
    """Say whether candidates of the kind are cadres, whom the gate must pass."""
    return rules["batch.kinds"][kind]["purpose"] is not None


def criteria(case: Candidate, batch: AboutBatch, known: Standing, step: Step) -> list[str]:
    """Return the codes of the criteria of the batch's kind (3.6) that the candidate does not meet today."""
    position = batch.positions[case.position]
    age = age_on(case.born_on, step.at.date())
    checks: Mapping[str, bool]
    match batch.kind:
        case "a":
            most = step.rule("batch.a.max_age").get(position["level"])
            checks = {
                "AGE_LIMIT": most is not None and age <= most,
                "ANNUAL_RESULTS": _results(known, step, step.rule("batch.a.annual")),
            }
        case "b":
            checks = {
                "DEGREE": (case.external or {}).get("degree") in step.rule("batch.b.degrees"),
                "PUBLIC_INSTITUTION": bool(position["public_institution"]),
            }
        case "c":
            ages = [age_on(date.fromisoformat(each), step.at.date()) for each in position["members_born"]]
            checks = {"SPECIALTY": bool(case.specialty), "YOUNGER": age * len(ages) < sum(ages)}
        case "d":
            checks = {"TEN_YEARS": _in_post(known, date(batch.year, 12, 31), step.rule("batch.d.tenure").amount)}
        case "e":
            checks = {
                "AGE_LIMIT": age <= step.rule("batch.e.max_age"),
                "ANNUAL_RESULTS": _results(known, step, step.rule("batch.e.annual")),
            }
        case "f":
            checks = {
                "AGE_LIMIT": age <= step.rule("batch.f.max_age"),
                "ANNUAL_RESULTS": _results(known, step, step.rule("batch.f.annual")),
            }
        case kind:
            raise ValueError(f"no criteria for batches of kind {kind}")
    return [code for code, met in checks.items() if not met]


def _figures(case: Candidate, batch: AboutBatch, known: Standing, step: Step, unmet: Collection[str]) -> dict[str, Any]:
    """Return what the unmet criteria were measured by, and what they want."""
    position, today = batch.positions[case.position], step.at.date()
    figures: dict[str, Any] = {}
    if not {"AGE_LIMIT", "YOUNGER"}.isdisjoint(unmet):
        figures["age"] = age_on(case.born_on, today)
    if "AGE_LIMIT" in unmet:
        most = step.rule(f"batch.{batch.kind}.max_age")
        figures["most"] = most.get(position["level"]) if batch.kind == "a" else most
    if "YOUNGER" in unmet:
        mean = mean_age(position["members_born"], today)
        figures["mean"] = None if mean is None else str(mean)
    if "ANNUAL_RESULTS" in unmet:
        wanted = step.rule(f"batch.{batch.kind}.annual")
        figures |= {"annual_years": wanted["years"], "least_excellent": wanted["excellent"]}
    if "DEGREE" in unmet:
        figures["degrees"] = list(step.rule("batch.b.degrees"))
    if "TEN_YEARS" in unmet:
        figures["post_since"] = None if known.post_since is None else known.post_since.isoformat()
        figures |= {"least_months": step.rule("batch.d.tenure").amount, "as_of": date(batch.year, 12, 31).isoformat()}
    return figures


def _results(known: Standing, step: Step, wanted: Mapping[str, int]) -> bool:
    """Say whether the last years' results that are in are all competent or better, with enough excellent ones.

    Where last year's result is not in yet, the years before it count. Of years before the platform held results
    (`gate.annuals_since`) none but the last is asked for, as at the gate.
    """
    last = step.at.year - 1
    if last not in known.annuals:
        last -= 1
    since: int = step.rule("gate.annuals_since")
    years = [
        year
        for year in range(last - wanted["years"] + 1, last + 1)
        if year >= since or year == last or year in known.annuals
    ]
    grades = [found.grade for year in years if (found := known.annuals.get(year))]
    enough = len(grades) == len(years) and all(grade in _AT_LEAST_COMPETENT for grade in grades)
    return enough and grades.count("EXCELLENT") >= wanted["excellent"]


def _in_post(known: Standing, day: date, months: int) -> bool:
    return known.post_since is not None and add_months(known.post_since, months) <= day


def age_on(born: date, day: date) -> int:
    """Return the age in full years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def mean_age(born: Collection[str], day: date) -> Decimal | None:
    """Return the mean age of a group to one digit, None of nobody."""
    ages = [age_on(date.fromisoformat(each), day) for each in born]
    return None if not ages else (Decimal(sum(ages)) / len(ages)).quantize(Decimal("0.1"))


def check(step: Step) -> None:
    """Note what the gate says today. Somebody who passes (again) is no longer to be dropped."""
    case: Candidate = step.case
    facts: CandidateFacts = step.facts
    found = facts.evaluation
    case.verdict = (Verdict.PASS if found is None else found.verdict).value
    case.reasons = [] if found is None else told(found.reasons)
    case.checked_on = step.at.date()
    if case.verdict == Verdict.PASS:
        case.to_confirm = False


def block(step: Step) -> None:
    """Note why somebody is stopped; whoever was selected already is dropped by the committee alone."""
    case: Candidate = step.case
    stopped = case.state == "SELECTED"
    check(step)
    case.to_confirm = case.to_confirm or stopped


def told(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Return reasons as plain JSON."""
    return [
        {
            "code": reason.code,
            "until": None if reason.until is None else reason.until.isoformat(),
            "pending": reason.pending,
        }
        for reason in reasons
    ]


def gate_opens(step: Step) -> None:
    """Raise 422 `GATE_BLOCKED` or `GATE_PENDING` with the reasons, where the gate does not pass the candidate today."""
    facts: CandidateFacts = step.facts
    if facts.evaluation is not None:
        refuse_stopped(facts.evaluation)


def refuse_stopped(evaluation: Evaluation, *, committed: bool = False, **figures: Any) -> None:
    """Raise 422 `GATE_BLOCKED` or `GATE_PENDING` where `evaluation` is no PASS."""
    if evaluation.verdict == Verdict.PASS:
        return
    zh, en = explain(evaluation)
    figures = {"reasons": told(evaluation.reasons), "as_of": evaluation.as_of.isoformat(), **figures}
    if evaluation.verdict == Verdict.BLOCKED:
        raise Refusal(
            "GATE_BLOCKED", zh=f"资格未通过：{zh}", en=f"The gate is closed: {en}", committed=committed, **figures
        )
    raise Refusal("GATE_PENDING", zh=f"资格暂不能判定：{zh}", en=f"The gate cannot tell yet: {en}", **figures)


def batch_open(step: Step) -> None:
    """Raise 409 `BATCH_CLOSED` where the batch takes no candidates further now."""
    facts: CandidateFacts = step.facts
    if facts.batch is not None:
        _open(facts.batch)


def slots_left(step: Step) -> None:
    """Raise 422 `SLOTS_FULL`, or `TOO_FEW_QUALIFIED` where a position wants more to choose from (3.6 a)."""
    case: Candidate = step.case
    facts: CandidateFacts = step.facts
    if facts.batch is None:
        return
    slots = facts.batch.positions[case.position]["slots"]
    if facts.selected >= slots:
        raise Refusal("SLOTS_FULL", zh="该岗位职数已满。", en="All slots of the position are taken.", slots=slots)
    least = slots * step.rule("batch.per_slot").get(case.kind, 1)
    if facts.qualified < least:
        raise Refusal(
            "TOO_FEW_QUALIFIED",
            zh=f"该岗位入围合格人选不足 {least} 人。",
            en=f"The position wants {least} qualified people on the shortlist.",
            qualified=facts.qualified,
            least=least,
        )


def by_committee(step: Step) -> None:
    """Raise 403 `COMMITTEE_CONFIRMS` where the committee must confirm that somebody is dropped: also whom it decided on."""
    case: Candidate = step.case
    facts: CandidateFacts = step.facts
    decided = case.state == "SELECTED" and facts.batch is not None and facts.batch.state == "DECIDED"
    if (case.to_confirm or decided) and not step.actor.has("COMM"):
        raise Refusal(
            "COMMITTEE_CONFIRMS",
            zh="决定时复核未通过或已经决定的人选，须由市委常委会(部务会)确认取消。",
            en="Somebody who was stopped at the decision, or decided on, is dropped by the committee.",
            status=403,
        )


def appoint(step: Step) -> None:
    """Note from when the candidate holds the post."""
    case: Candidate = step.case
    case.appointed_on = step.form["appointed_on"]


def drop(step: Step) -> None:
    """Note that nothing is left to confirm."""
    case: Candidate = step.case
    case.to_confirm = False


CANDIDATE: Final = CaseType(
    service="incentive",
    kind="candidate",
    collection="candidates",
    zh="批次人选",
    en="candidate of a batch",
    machine=CandidateMachine,
    dataclass="L3",
    states={
        "NOMINATED": ("已提名", "nominated"),
        "CHECKED": ("已核查", "checked"),
        "SHORTLISTED": ("已入围", "shortlisted"),
        "SELECTED": ("拟任", "selected"),
        "APPOINTED": ("已任用", "appointed"),
        "DROPPED": ("已取消", "dropped"),
    },
    create=Action(zh="提名", en="nominate", allow=SELECTORS, guards=(plain_texts,), effect=nominate),
    actions={
        "check": Action(zh="资格核查", en="check at the gate", effect=check),
        "recheck": Action(
            zh="重新核查", en="check again", allow=SELECTORS, guards=(plain_texts, batch_open), effect=check
        ),
        "block": Action(
            zh="核查未通过",
            en="stop at the gate",
            effect=block,
            event="incentive.batch.candidate-blocked.v1",
            mandatory=False,
        ),
        "shortlist": Action(
            zh="入围",
            en="put on the shortlist",
            allow=SELECTORS,
            guards=(plain_texts, batch_open, gate_opens),
            effect=check,
        ),
        "select": Action(
            zh="确定拟任人选",
            en="select",
            allow=SELECTORS,
            guards=(plain_texts, batch_open, slots_left, gate_opens),
            effect=check,
            reason=True,
        ),
        "drop": Action(
            zh="取消",
            en="drop",
            allow={**SELECTORS, **COMMITTEE},
            guards=(plain_texts, by_committee),
            effect=drop,
            reason=True,
        ),
        "appoint": Action(zh="任用", en="appoint", effect=appoint),
    },
)
