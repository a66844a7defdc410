"""Sanctions and organisational measures (S10, M6): entered by one, confirmed by another, then in effect for a period.

How long is the table of the rules at the conduct, or lighter ones since; how periods meet is in `effect_period`. The
end is reckoned anew whenever an earlier sanction of the regime changes. What a decision says in words is not kept here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.clock import ZONE
from citybus.errors import Refusal
from citybus.rulepack import Rule
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons
from supervision.domain.effect_period import Term, periods
from supervision.domain.eligibility import ALL_PURPOSES, Bar, Code, Purpose


class Regime(StrEnum):
    """The four regimes, each reckoned by itself."""

    PARTY = "PARTY"
    GOV = "GOV"
    ORG = "ORG"
    ADMONITION = "ADMONITION"


class Basis(StrEnum):
    """By what an organisational measure is taken; its effect period depends on it."""

    UNFIT = "UNFIT"
    """Not fit for the present post (能上能下)."""
    HANDLING = "HANDLING"
    """Organisational handling (组织处理)."""


class Organ(StrEnum):
    """Who decided."""

    DISC = "DISC"
    ORG = "ORG"
    COMM = "COMM"
    UNIT = "UNIT"


class Cause(StrEnum):
    """Why a sanction is modified. An appeal or a review never makes it heavier."""

    APPEAL = "APPEAL"
    REVIEW = "REVIEW"
    CORRECTION = "CORRECTION"


class Sanction(Protocol):
    """What the rules read and change of a sanction.

    `months` is its own length (of the watch, where `after_months` follow the restoring of rights; None: no end);
    `end_on` the day on which it is over, that of earlier ones included. `revisions` holds what it was before, oldest first.
    """

    id: str
    state: str
    cadre: str
    unit: str
    regime: str
    kind: str
    basis: str | None
    organ: str
    decision_no: str
    legal_basis: str
    conduct_on: date | None
    decided_on: date
    effective_on: date
    offences: int
    months: int | None
    after_months: int | None
    post_months: int | None
    cap_months: int | None
    adds_up: bool
    rule_pack: str
    end_on: date | None
    post_until: date | None
    watch_until: date | None
    restored_on: date | None
    remainder_of: str | None
    recorded_on: date | None
    recorded_late: bool
    served_on: date | None
    executed_on: date | None
    affects_use: bool
    affects_use_from: date | None
    revisions: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SanctionFacts:
    """What was looked up for a step.

    `months` is the rule for the length of the kind (None: no rule was in force), `after`, `post` and `cap` those that
    go with it; `others` the sanctions of the cadre in the regime that stand, this one not among them.
    """

    unit: str | None = None
    duplicate: bool = False
    months: Rule | None = None
    after: Rule | None = None
    post: Rule | None = None
    cap: Rule | None = None
    others: Sequence[Term] = ()


class SanctionMachine(StateMachine):
    """ENTERED (or DISCARDED) → RECORDED → IN_EFFECT → (POST_WATCH) → EXPIRED; MODIFIED is in effect with another end; REVOKED."""

    ENTERED = State(initial=True)
    DISCARDED = State()
    RECORDED = State()
    IN_EFFECT = State()
    MODIFIED = State()
    POST_WATCH = State()
    EXPIRED = State()
    REVOKED = State()

    revise = ENTERED.to(ENTERED) | DISCARDED.to(ENTERED)
    discard = ENTERED.to(DISCARDED)
    confirm = ENTERED.to(RECORDED)
    take_effect = RECORDED.to(IN_EFFECT)
    serve = (
        RECORDED.to(RECORDED)
        | IN_EFFECT.to(IN_EFFECT)
        | MODIFIED.to(MODIFIED)
        | POST_WATCH.to(POST_WATCH)
        | EXPIRED.to(EXPIRED)
    )
    note_executed = (
        RECORDED.to(RECORDED)
        | IN_EFFECT.to(IN_EFFECT)
        | MODIFIED.to(MODIFIED)
        | POST_WATCH.to(POST_WATCH)
        | EXPIRED.to(EXPIRED)
    )
    extend_watch = IN_EFFECT.to(IN_EFFECT) | MODIFIED.to(MODIFIED)
    restore_rights = IN_EFFECT.to(POST_WATCH) | MODIFIED.to(POST_WATCH)
    near_end = IN_EFFECT.to(IN_EFFECT) | MODIFIED.to(MODIFIED) | POST_WATCH.to(POST_WATCH)
    expire = IN_EFFECT.to(EXPIRED) | MODIFIED.to(EXPIRED) | POST_WATCH.to(EXPIRED)
    modify = (
        RECORDED.to(RECORDED)
        | IN_EFFECT.to(MODIFIED)
        | MODIFIED.to(MODIFIED)
        | POST_WATCH.to(POST_WATCH)
        | EXPIRED.to(EXPIRED)
    )
    reckon = (
        RECORDED.to(RECORDED)
        | IN_EFFECT.to(IN_EFFECT)
        | MODIFIED.to(MODIFIED)
        | POST_WATCH.to(POST_WATCH)
        | EXPIRED.to(EXPIRED)
    )
    resume = EXPIRED.to(MODIFIED)
    revoke = (
        RECORDED.to(REVOKED)
        | IN_EFFECT.to(REVOKED)
        | MODIFIED.to(REVOKED)
        | POST_WATCH.to(REVOKED)
        | EXPIRED.to(REVOKED)
    )
    flag_use = EXPIRED.to(EXPIRED)
    review_use = EXPIRED.to(EXPIRED)
    clear_use = EXPIRED.to(EXPIRED)
    note_restored = REVOKED.to(REVOKED)


NOT_STANDING: Final = frozenset({"ENTERED", "DISCARDED", "REVOKED"})
HIDDEN: Final = frozenset({"ENTERED", "DISCARDED"})


def scope(case: Sanction) -> Scope:
    """Return whom a sanction concerns: the cadre, who learns of it when two have confirmed the entry."""
    return Scope(
        units=frozenset({case.unit}),
        persons=frozenset({case.cadre}),
        disclosed=case.state not in HIDDEN,
        confidential=True,
    )


def months_key(regime: str, kind: str, basis: str | None) -> str:
    """Return the key of the rule that says how many months a kind lasts."""
    return f"sanction.months.{_branch(regime, basis)}.{kind.lower()}"


def after_key(regime: str, kind: str) -> str:
    """Return the key of the rule that says how many months follow the watch."""
    return f"sanction.after_watch.{regime.lower()}.{kind.lower()}"


def post_key(regime: str, kind: str, basis: str | None) -> str:
    """Return the key of the rule that says for how many months no leading post is given, where that is shorter."""
    return f"sanction.post_months.{_branch(regime, basis)}.{kind.lower()}"


def cap_key(regime: str) -> str:
    """Return the key of the rule that says how many months sanctions of a regime last at most together."""
    return f"sanction.cap.{regime.lower()}"


def kinds_key(regime: str) -> str:
    """Return the key of the catalogue of a regime's kinds."""
    return f"sanction.kinds.{regime.lower()}"


def _branch(regime: str, basis: str | None) -> str:
    return regime.lower() if basis is None else f"{regime.lower()}_{basis.lower()}"


def by_conduct(regime: str) -> bool:
    """Say whether the length is by the rules at the conduct: of punishments, not of measures about a post."""
    return regime in (Regime.PARTY, Regime.GOV)


# ---- entry


def enter(step: Step) -> None:
    """Take over the entry from the form and reckon its end.

    Raises 422 `UNKNOWN_CADRE`, `UNKNOWN_SANCTION_KIND`, `BASIS_WRONG`, `ORGAN_NOT_ENTITLED`, `DATE_RANGE`,
    `NO_RULE_AT_CONDUCT`, `MONTHS_MISMATCH`, 409 `DUPLICATE`, and 451 `SECRECY_LEVEL`.
    """
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    form = step.form
    if facts.unit is None:
        raise Refusal(
            "UNKNOWN_CADRE", zh="名册中没有该干部。", en="The roster has no such cadre.", cadres=[form["cadre"]]
        )
    case.cadre, case.unit = form["cadre"], facts.unit
    case.regime, case.kind, case.basis = form["regime"], form["kind"], form.get("basis")
    case.organ, case.decision_no, case.legal_basis = form["organ"], form["decision_no"], form["legal_basis"]
    case.decided_on = form["decided_on"]
    case.effective_on = form.get("effective_on", case.decided_on)
    case.conduct_on = form.get("conduct_on")
    case.offences = form.get("offences", 1)
    case.restored_on = case.recorded_on = case.served_on = case.executed_on = case.affects_use_from = None
    case.affects_use, case.revisions = False, []
    refuse_marked([case.legal_basis, case.decision_no], step.rules)
    _check_kind(step)
    _check_entitled(step)
    _check_days(step)
    if facts.duplicate:
        raise Refusal(
            "DUPLICATE",
            zh="该决定已登记。",
            en="The decision is in the register already.",
            status=409,
        )
    set_length(step, form.get("months"))
    case.recorded_late = _is_late(step)


def _is_late(step: Step) -> bool:
    """Say whether people let the time to enter a decision pass; what a case of ours led to is entered with it."""
    case: Sanction = step.case
    last = step.rule("sanction.record_period").last_day(case.decided_on).day
    return not step.actor.system and step.at.date() > last


def _check_kind(step: Step) -> None:
    case: Sanction = step.case
    kinds = step.rule(kinds_key(case.regime))
    if case.kind not in kinds:
        raise Refusal(
            "UNKNOWN_SANCTION_KIND",
            zh="该类处分处理没有这一种类。",
            en="The regime has no such kind.",
            regime=case.regime,
            kinds=sorted(kinds),
        )
    bases = kinds[case.kind].get("bases", ())
    if (case.basis is None and bases) or (case.basis is not None and case.basis not in bases):
        raise Refusal(
            "BASIS_WRONG",
            zh="组织处理须注明依据(能上能下或组织处理),其他种类不得注明,且该依据须有此种类。",
            en="An organisational measure names its basis, one that has this kind; other sanctions name none.",
            bases=sorted(bases),
        )


def _check_entitled(step: Step) -> None:
    case: Sanction = step.case
    if step.actor.system:
        return
    enters = step.rule("sanction.entered_by")
    if not any(case.regime in regimes and step.actor.has(office) for office, regimes in enters.items()):
        raise Refusal(
            "ORGAN_NOT_ENTITLED",
            zh="您所在机关不登记该类处分处理。",
            en="Your office does not enter sanctions of this regime.",
            regime=case.regime,
        )


def _check_days(step: Step) -> None:
    case: Sanction = step.case
    today = step.at.date()
    if by_conduct(case.regime) and case.conduct_on is None:
        raise Refusal(
            "DATE_RANGE",
            zh="党纪政务处分须填写行为日期(conduct_on)。",
            en="A punishment names the day of the conduct (`conduct_on`).",
            regime=case.regime,
            conduct_on=None,
        )
    if case.decided_on > today or case.effective_on < case.decided_on:
        raise Refusal(
            "DATE_RANGE",
            zh="决定日期不得晚于今天,生效日期不得早于决定日期。",
            en="The decision cannot lie ahead, nor take effect before it was made.",
            decided_on=case.decided_on.isoformat(),
            effective_on=case.effective_on.isoformat(),
            today=today.isoformat(),
        )
    if case.conduct_on is not None and case.conduct_on > case.decided_on:
        raise Refusal(
            "DATE_RANGE",
            zh="行为日期不得晚于决定日期。",
            en="The conduct cannot come after the decision.",
            conduct_on=case.conduct_on.isoformat(),
            decided_on=case.decided_on.isoformat(),
        )


def set_length(step: Step, months: int | None, kept: int | None = None) -> None:
    """Give the sanction its months by the rules, and its end. Raises 422 `NO_RULE_AT_CONDUCT`, `MONTHS_MISMATCH`.

    Where the rules leave a choice that is not made, it is that which was made before, `kept`.
    """
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    entry = step.rule(kinds_key(case.regime))[case.kind]
    case.adds_up = bool(entry.get("adds_up", False))
    case.after_months = case.post_months = case.cap_months = None
    if entry.get("endless"):
        _refuse_months(case, months, [])
        case.months = None
        case.rule_pack = step.rules.cite(kinds_key(case.regime))
    else:
        if facts.months is None:
            raise Refusal(
                "NO_RULE_AT_CONDUCT",
                zh="当时尚无该种类影响期的规定。",
                en="No rule on how long this kind lasts was in force then.",
                conduct_on=case.conduct_on and case.conduct_on.isoformat(),
                decided_on=case.decided_on.isoformat(),
            )
        case.cap_months = None if facts.cap is None else int(facts.cap.value)
        allowed = possible_months(facts.months.value, case.offences, case.cap_months)
        if months is None:
            months = allowed[0] if len(allowed) == 1 else kept
        _refuse_months(case, months, allowed)
        case.months = months
        case.after_months = None if facts.after is None else int(facts.after.value)
        case.post_months = None if facts.post is None else int(facts.post.value)
        case.rule_pack = facts.months.pack.cite
        step.cited.update(rule.pack.cite for rule in (facts.months, facts.after, facts.post, facts.cap) if rule)
    reckon_end(case, facts.others)


def possible_months(value: Any, offences: int, cap: int | None) -> list[int]:
    """Return the lengths that a rule allows: one, some to choose from, or a range.

    Several offences of one kind last between one period and the sum, capped (政务处分法 article 15), where there is a cap.
    """
    if isinstance(value, Mapping):
        return list(range(int(value["least"]), int(value["most"]) + 1))
    if isinstance(value, Sequence):
        return [int(choice) for choice in value]
    one = int(value)
    if cap is None or offences == 1:
        return [one]
    return list(range(one, max(one, min(one * offences, cap)) + 1))


def _refuse_months(case: Sanction, months: int | None, allowed: Sequence[int]) -> None:
    if months in allowed or (months is None and not allowed):
        return
    raise Refusal(
        "MONTHS_MISMATCH",
        zh=f"期限与种类不符,应为 {_span(allowed)}。" if allowed else "该种类没有期限。",
        en=f"The months do not fit the kind: {_span(allowed)}." if allowed else "This kind has no length.",
        kind=case.kind,
        given=months,
        allowed=list(allowed),
    )


def _span(allowed: Sequence[int]) -> str:
    if len(allowed) > 2 and allowed[-1] - allowed[0] == len(allowed) - 1:
        return f"{allowed[0]}–{allowed[-1]}"
    return "/".join(map(str, allowed))


# ---- the end


def term(case: Sanction) -> Term:
    """Return the sanction as the reckoning sees it."""
    watched = case.after_months is not None
    return Term(
        id=case.id,
        decided_on=case.decided_on,
        effective_on=case.effective_on,
        months=case.after_months if watched else case.months,
        adds_up=case.adds_up,
        cap=case.cap_months,
        watch=case.months if watched else None,
        restored_on=case.restored_on,
    )


def reckon_end(case: Sanction, others: Sequence[Term]) -> None:
    """Set the end of the sanction by those of its regime that stand."""
    own = periods([*others, term(case)])[case.id]
    case.end_on, case.watch_until, case.remainder_of = own.end, own.watch_until, own.after
    case.post_until = None
    if case.post_months is not None and own.end is not None and case.months is not None:
        shorter = periods([*others, Term(case.id, case.decided_on, case.effective_on, case.post_months, case.adds_up)])
        case.post_until = shorter[case.id].end


def bars(case: Sanction, rules: Mapping[str, Any]) -> list[Bar]:
    """Return what a sanction that stands bars (S16); one that was revoked bars nothing, and never did."""
    if case.state in NOT_STANDING:
        return []
    barred = rules["sanction.bars"]
    purposes = frozenset(barred.get(f"{case.regime}.{case.kind}", barred["OTHERS"]))
    found = []
    if case.post_until is not None:
        transfer = purposes & {Purpose.TRANSFER}
        found.append(Bar(Code.EFFECT_PERIOD_ACTIVE, transfer, case.effective_on, case.post_until))
        purposes -= transfer
    found.append(Bar(Code.EFFECT_PERIOD_ACTIVE, purposes, case.effective_on, case.end_on))
    year_over = date(case.effective_on.year + 1, 1, 1)
    over_within = case.end_on is not None and case.end_on < year_over
    if over_within and Purpose.EXCELLENT in purposes and rules["sanction.bar_excellent"] == "YEAR":
        found.append(Bar(Code.EFFECT_PERIOD_ACTIVE, frozenset({Purpose.EXCELLENT}), case.effective_on, year_over))
    if case.affects_use_from is not None:
        after = frozenset(barred["AFFECTS_USE"])
        found.append(Bar(Code.AFFECTS_USE_AFTER_EXPIRY, after & ALL_PURPOSES, case.affects_use_from, None))
    return found


# ---- steps after the entry


def confirm(step: Step) -> None:
    """Let the entry stand, and reckon its end by what stands now."""
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    reckon_end(case, facts.others)
    case.recorded_on = step.at.date()
    case.recorded_late = _is_late(step)


def serve(step: Step) -> None:
    """Note when the cadre was served with the notice."""
    case: Sanction = step.case
    case.served_on = step.form["served_on"]


def is_executed_once(step: Step) -> None:
    """Raise 409 `DUPLICATE` where the execution was noted."""
    case: Sanction = step.case
    if case.executed_on is not None:
        raise Refusal("DUPLICATE", zh="已记录执行。", en="The execution was noted.", status=409)


def note_executed(step: Step) -> None:
    """Note when post, rank and pay were changed and the decision filed. Raises 422 `DATE_RANGE`."""
    case: Sanction = step.case
    day = step.form.get("executed_on", step.at.date())
    if day > step.at.date() or day < case.decided_on:
        raise Refusal("DATE_RANGE", zh="日期不在允许范围内。", en="The day is out of its range.", day=day.isoformat())
    case.executed_on = day


def _keep(step: Step) -> None:
    """Keep what the sanction is now, before it becomes something else."""
    case: Sanction = step.case
    now = {
        "until": step.at.date().isoformat(),
        "by": step.action,
        "kind": case.kind,
        "months": case.months,
        "decision_no": case.decision_no,
        "conduct_on": case.conduct_on and case.conduct_on.isoformat(),
        "decided_on": case.decided_on.isoformat(),
        "effective_on": case.effective_on.isoformat(),
        "end_on": case.end_on and case.end_on.isoformat(),
        "watch_until": case.watch_until and case.watch_until.isoformat(),
        "restored_on": case.restored_on and case.restored_on.isoformat(),
    }
    case.revisions = [*case.revisions, now]


def modify(step: Step) -> None:
    """Change kind or length by a later decision, or correct its days; what it was is kept.

    Raises 422 `NO_REFORMATIO_IN_PEIUS` where an appeal or a review would make it heavier or last longer, and what
    `enter` raises.
    """
    case: Sanction = step.case
    form = step.form
    was_kind, was_end, was_months = case.kind, case.end_on, case.months
    refuse_marked([form["decision_no"]], step.rules)
    _keep(step)
    case.kind, case.decision_no = form.get("kind", case.kind), form["decision_no"]
    case.offences = form.get("offences", case.offences)
    _check_kind(step)
    _check_entitled(step)
    _correct_days(step)
    corrected = form["cause"] == Cause.CORRECTION and case.kind == was_kind
    set_length(step, form.get("months"), was_months if corrected else None)
    if form["cause"] != Cause.CORRECTION and _is_heavier(step, was_kind, was_end, was_months):
        raise Refusal(
            "NO_REFORMATIO_IN_PEIUS",
            zh="复审复核申诉不得加重。",
            en="An appeal or a review never makes a sanction heavier.",
            kind=case.kind,
            was_kind=was_kind,
            months=case.months,
            was_months=was_months,
            end_on=case.end_on and case.end_on.isoformat(),
            was=was_end and was_end.isoformat(),
        )


def _correct_days(step: Step) -> None:
    """Take over corrected days. What is in effect already cannot begin later than today. Raises 422 `DATE_RANGE`."""
    case: Sanction = step.case
    form = step.form
    if not {"conduct_on", "decided_on", "effective_on"} & set(form):
        return
    case.conduct_on = form.get("conduct_on", case.conduct_on)
    case.decided_on = form.get("decided_on", case.decided_on)
    case.effective_on = form.get("effective_on", case.effective_on)
    _check_days(step)
    today = step.at.date()
    if case.state != "RECORDED" and case.effective_on > today:
        raise Refusal(
            "DATE_RANGE",
            zh="已生效的处分处理,生效日期不得晚于今天。",
            en="What is in effect cannot begin later than today.",
            effective_on=case.effective_on.isoformat(),
            latest=today.isoformat(),
        )


def _is_heavier(step: Step, was_kind: str, was_end: date | None, was_months: int | None) -> bool:
    """Say whether the sanction is of a heavier kind than it was, or lasts longer.

    A lighter kind may have no end yet, as a watch has none.
    """
    case: Sanction = step.case
    order = step.rule("sanction.burdens")[case.regime]
    burden = order.index(case.kind) - order.index(was_kind)
    if burden < 0:
        return case.end_on is not None and _later(case.end_on, was_end)
    later = _later(case.end_on, was_end) or (case.end_on == was_end and _more(case.months, was_months))
    return burden > 0 or later


def _later(one: date | None, other: date | None) -> bool:
    return (one or date.max) > (other or date.max)


def _more(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one > other


def extend_watch(step: Step) -> None:
    """Let the watch last longer (留党察看 one year to two). Raises 422 `NOT_WATCHED`, `MONTHS_MISMATCH`."""
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    _keep(step)
    longer = step.form["months"]
    allowed = possible_months(facts.months.value, 1, None) if facts.months else []
    _refuse_months(case, longer, [months for months in allowed if months > (case.months or 0)])
    case.months = longer
    reckon_end(case, facts.others)


def is_watched(step: Step) -> None:
    """Raise 422 `NOT_WATCHED` where the sanction knows no watch, or rights were restored."""
    case: Sanction = step.case
    if case.after_months is None or case.restored_on is not None:
        raise Refusal(
            "NOT_WATCHED",
            zh="该处分没有留党察看期,或者权利已恢复。",
            en="Nobody is under watch by this sanction, or the rights were restored.",
            kind=case.kind,
            restored_on=case.restored_on and case.restored_on.isoformat(),
        )


def restore_rights(step: Step) -> None:
    """Restore the rights on a day after the watch. Raises 422 `WATCH_RUNNING`, `DATE_RANGE`."""
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    day = step.form["restored_on"]
    if case.watch_until is not None and day < case.watch_until:
        raise Refusal(
            "WATCH_RUNNING",
            zh=f"察看期至 {case.watch_until},期满前不得恢复权利。",
            en=f"The watch lasts until {case.watch_until}; rights are restored afterwards.",
            watch_until=case.watch_until.isoformat(),
        )
    if day > step.at.date():
        raise Refusal(
            "DATE_RANGE",
            zh="恢复日期不得晚于今天。",
            en="The day of restoring cannot lie ahead.",
            restored_on=day.isoformat(),
            latest=step.at.date().isoformat(),
        )
    _keep(step)
    case.restored_on = day
    reckon_end(case, facts.others)


def reckon(step: Step) -> None:
    """Reckon the end anew after an earlier sanction changed; what it was is kept."""
    case: Sanction = step.case
    facts: SanctionFacts = step.facts
    _keep(step)
    reckon_end(case, facts.others)


def revoke(step: Step) -> None:
    """Undo the sanction as if it had never been; what it was is kept."""
    case: Sanction = step.case
    _keep(step)
    case.affects_use, case.affects_use_from = False, None


def flag_use(step: Step) -> None:
    """Note that the sanction, though over, still affects how the cadre may be used."""
    case: Sanction = step.case
    if case.affects_use:
        raise Refusal("DUPLICATE", zh="已标注仍影响使用。", en="It is marked so already.", status=409)
    case.affects_use, case.affects_use_from = True, step.at.date()


def is_flagged(step: Step) -> None:
    """Raise 422 `NOT_FLAGGED` where nothing says that the sanction still affects use."""
    case: Sanction = step.case
    if not case.affects_use:
        raise Refusal("NOT_FLAGGED", zh="未标注仍影响使用。", en="It is not marked as still affecting use.")


def clear_use(step: Step) -> None:
    """Note that it does no longer."""
    case: Sanction = step.case
    case.affects_use, case.affects_use_from = False, None


# ---- days on which the system acts


def _eve(day: date) -> datetime:
    """Return from when a period of no days ends at the first instant of `day`."""
    return datetime.combine(day - timedelta(days=1), time.min, ZONE)


def executes(step: Step) -> datetime | None:
    """Return from when the time to carry out the decision runs; None where nothing but the period follows from it."""
    case: Sanction = step.case
    carried_out = step.rule(kinds_key(case.regime))[case.kind].get("carried_out", False)
    return datetime.combine(case.decided_on, time.min, ZONE) if carried_out else None


def takes_effect(step: Step) -> datetime | None:
    """Return from when to wait for the day of effect; None where it is in effect."""
    case: Sanction = step.case
    return _eve(case.effective_on) if case.state == "RECORDED" else None


def ends(step: Step) -> datetime | None:
    """Return from when to wait for the end; None where there is none yet, or it is over."""
    case: Sanction = step.case
    if case.state in ("RECORDED", "EXPIRED") or case.end_on is None:
        return None
    return _eve(case.end_on)


def nears_end(step: Step) -> datetime | None:
    """Return from when to wait for the day on which people are told that the end is near."""
    case: Sanction = step.case
    if ends(step) is None or case.end_on is None or case.end_on <= step.at.date():
        return None
    before = step.rule("sanction.expiring_before").before(datetime.combine(case.end_on, time.min, ZONE))
    return None if before.date() <= case.effective_on else _eve(before.date())


_ENTERS: Final[Mapping[str, Reach]] = {"DISC": Reach.OFFICE, "ORG.supervise": Reach.OFFICE}
_EVENT: Final = "supervision.sanction.{}.v1"
EFFECT, EXPIRING, EXPIRY = "sanction.effect", "sanction.expiring", "sanction.expiry"
USE_REVIEW, RESTORATION, EXECUTION = "sanction.use_review", "sanction.restoration", "sanction.execution"
_DAYS: Final = (EXPIRING, EXPIRY)
_IN_EFFECT: Final = Arm(kind=EFFECT, rule="sanction.on_the_day", then="take_effect", start=takes_effect)
_TO_THE_END: Final = (
    Arm(kind=EXPIRING, rule="sanction.on_the_day", then="near_end", start=nears_end),
    Arm(kind=EXPIRY, rule="sanction.on_the_day", then="expire", start=ends),
)

SANCTION: Final = CaseType(
    service="supervision",
    kind="sanction",
    collection="sanctions",
    zh="处分处理",
    en="sanction",
    machine=SanctionMachine,
    dataclass="L3",
    states={
        "ENTERED": ("待复核", "entered"),
        "DISCARDED": ("已作废", "discarded"),
        "RECORDED": ("已登记", "recorded"),
        "IN_EFFECT": ("影响期内", "in effect"),
        "MODIFIED": ("已变更", "modified, in effect"),
        "POST_WATCH": ("恢复权利后", "rights restored"),
        "EXPIRED": ("已期满", "expired"),
        "REVOKED": ("已撤销", "revoked"),
    },
    create=Action(
        zh="登记处分处理", en="enter a sanction", allow=_ENTERS, guards=(refuse_marked_reason,), effect=enter
    ),
    actions=with_plain_reasons(
        {
            "revise": Action(zh="修改登记", en="revise the entry", allow=_ENTERS, effect=enter),
            "discard": Action(zh="作废", en="discard the entry", allow=_ENTERS, reason=True),
            "confirm": Action(
                zh="复核登记",
                en="confirm the entry",
                allow=_ENTERS,
                effect=confirm,
                event=_EVENT.format("recorded"),
                arms=(
                    _IN_EFFECT,
                    Arm(kind=EXECUTION, rule="sanction.execution", warn="deadline.warning", start=executes),
                ),
                not_after=("create", "revise"),
            ),
            "take_effect": Action(
                zh="生效", en="take effect", event=_EVENT.format("in-effect"), arms=_TO_THE_END, closes=(EFFECT,)
            ),
            "serve": Action(zh="送达", en="serve", effect=serve),
            "note_executed": Action(
                zh="记录执行",
                en="note that it was carried out",
                allow={**_ENTERS, "ORG.cadre": Reach.OFFICE},
                guards=(is_executed_once,),
                effect=note_executed,
                closes=(EXECUTION,),
            ),
            "extend_watch": Action(
                zh="延长留党察看",
                en="extend the watch",
                allow={"DISC": Reach.OFFICE},
                guards=(is_watched,),
                effect=extend_watch,
                event=_EVENT.format("modified"),
                closes=_DAYS,
                arms=_TO_THE_END,
                eyes=2,
                reason=True,
            ),
            "restore_rights": Action(
                zh="恢复党员权利",
                en="restore rights",
                allow={"DISC": Reach.OFFICE},
                guards=(is_watched,),
                effect=restore_rights,
                event=_EVENT.format("modified"),
                closes=_DAYS,
                arms=_TO_THE_END,
                eyes=2,
            ),
            "near_end": Action(zh="即将期满", en="near the end", event=_EVENT.format("expiring")),
            "expire": Action(zh="期满", en="expire", event=_EVENT.format("expired"), closes=_DAYS),
            "modify": Action(
                zh="变更",
                en="modify",
                allow=_ENTERS,
                effect=modify,
                event=_EVENT.format("modified"),
                closes=(EFFECT, *_DAYS),
                arms=(_IN_EFFECT, *_TO_THE_END),
                eyes=2,
                reason=True,
            ),
            "reckon": Action(
                zh="重新计算期限",
                en="reckon the end anew",
                effect=reckon,
                event=_EVENT.format("modified"),
                closes=_DAYS,
                arms=_TO_THE_END,
            ),
            "resume": Action(
                zh="恢复影响期",
                en="be in effect again",
                effect=reckon,
                event=_EVENT.format("modified"),
                arms=_TO_THE_END,
            ),
            "revoke": Action(
                zh="撤销",
                en="revoke",
                allow=_ENTERS,
                effect=revoke,
                event=_EVENT.format("revoked"),
                closes=(EFFECT, EXPIRING, EXPIRY, USE_REVIEW, EXECUTION),
                arms=(Arm(kind=RESTORATION, rule="sanction.restoration_period", warn="deadline.warning"),),
                eyes=2,
                reason=True,
            ),
            "flag_use": Action(
                zh="标注仍影响使用",
                en="mark as still affecting use",
                allow={"DISC": Reach.OFFICE, "ORG.supervise": Reach.OFFICE},
                effect=flag_use,
                event=_EVENT.format("modified"),
                arms=(Arm(kind=USE_REVIEW, rule="sanction.use_review", warn="sanction.use_review_warning"),),
                reason=True,
            ),
            "review_use": Action(
                zh="年度复核仍影响使用",
                en="review, still affecting use",
                allow={"DISC": Reach.OFFICE, "ORG.supervise": Reach.OFFICE},
                guards=(is_flagged,),
                arms=(Arm(kind=USE_REVIEW, rule="sanction.use_review", warn="sanction.use_review_warning"),),
                closes=(USE_REVIEW,),
                reason=True,
            ),
            "clear_use": Action(
                zh="取消仍影响使用",
                en="no longer affecting use",
                allow={"DISC": Reach.OFFICE, "ORG.supervise": Reach.OFFICE},
                guards=(is_flagged,),
                effect=clear_use,
                event=_EVENT.format("modified"),
                closes=(USE_REVIEW,),
                reason=True,
            ),
            "note_restored": Action(
                zh="记录恢复待遇与名誉",
                en="note that post, pay and reputation were restored",
                allow=_ENTERS,
                closes=(RESTORATION,),
                reason=True,
            ),
        }
    ),
)
