"""Fault tolerance (I3–I6): asked for, verified, decided by a panel, effective, corrected; denied, reviewed, revoked, too late."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from dandang.slice import cast, story
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.lines import bulletins, findings
from dandang.year.lines.bulletins import Exposure
from dandang.year.people import SPARED, Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

STATEMENT: Final = "申请:先行先试经集体研究决定,未谋私利,已积极挽回损失(虚构)。"
REASONS: Final = ("经调阅会议记录并现场核对(虚构)。", "经集体审议(虚构)。", "措施落实,材料齐全(虚构)。")
SCORES: Final[Mapping[str, Mapping[str, int]]] = {
    "EXEMPT": {"motive": 2, "conditions": 2, "procedure": 2, "nature": 2, "consequence": 1, "recovery": 1},
    "MITIGATE": story.SCORES,
    "DENY": {"motive": 1, "conditions": 1, "procedure": 0, "nature": 1, "consequence": 0, "recovery": 1},
}
"""What the two verifiers find, by what it advises."""

PANEL: Final = 7
VERIFIERS: Final = cast.VERIFIERS

Acting = Generator[datetime, None, Case]


@dataclass(frozen=True, slots=True)
class Course:
    """The days of those whose cases are decided together."""

    noticed: date
    filed: date
    verified: date
    decided: date
    planned: date
    corrected: date


SPRING: Final = Course(
    *(date(2024, 3, 4), date(2024, 3, 15), date(2024, 3, 26), date(2024, 4, 8), date(2024, 4, 24), date(2024, 5, 15))
)
AUTUMN: Final = Course(
    *(date(2024, 7, 1), date(2024, 7, 8), date(2024, 7, 16), date(2024, 7, 22), date(2024, 8, 12), date(2024, 8, 30))
)
MAY: Final = Course(
    *(date(2024, 4, 22), date(2024, 5, 8), date(2024, 5, 8), date(2024, 5, 15), date(2024, 5, 31), date(2024, 6, 28))
)
"""The days of scenario 4: what was decided on 15 May is served on the 16th, and takes effect on the 31st."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who has to do with a case: who asks, the head of the unit, who verifies, and who sits on the panel."""

    who: Member
    head: Person
    verifiers: Sequence[Mapping[str, str]]
    panel: Sequence[Person]

    def votes(self, decision: str) -> list[dict[str, str]]:
        """Return the panel with its votes: all but one for `decision`."""
        other = "DENY" if decision != "DENY" else "MITIGATE"
        votes = [decision] * (len(self.panel) - 1) + [other]
        return [
            {"subject": each.subject, "cadre": str(each.cadre), "vote": vote}
            for each, vote in zip(self.panel, votes, strict=True)
        ]


def hearings(everybody: People, members: Sequence[Member]) -> Iterator[Hearing]:
    """Yield who hears each member's case: each panel is of the heads of the next seven other units."""
    verifiers = [{"subject": each.subject, "cadre": everybody.of(str(each.unit))[1].cadre} for each in VERIFIERS]
    heads = [everybody.head(unit) for unit in everybody.units() if unit not in SPARED]
    place = 0
    for who in members:
        others = [head for head in heads if head.unit != who.unit]
        panel = [others[(place + number) % len(others)] for number in range(PANEL)]
        place += PANEL
        yield Hearing(who, everybody.head(who.unit), verifiers, panel)


def asked(line: Line, hearing: Hearing, finding: Case, *, circumstance: int = 2) -> Case:
    """Have tolerance asked for with evidence, accepted, and two verifiers assigned."""
    who = hearing.who.who
    case = drafted(line, hearing, finding, circumstance=circumstance)
    line.take(who, case, "file")
    line.take(cast.ACCEPTOR, case, "accept")
    line.take(cast.ACCEPTOR, case, "assign", verifiers=list(hearing.verifiers))
    return case


def drafted(line: Line, hearing: Hearing, finding: Case, *, circumstance: int = 2) -> Case:
    """Have an application drafted."""
    who = hearing.who.who
    return line.open(
        who,
        "incentive",
        "tolerance-cases",
        finding=finding.id,
        applicant="CADRE",
        circumstance=circumstance,
        statement=STATEMENT,
        evidence=[line.evidence(who, "incentive", line.name)],
    )


def verified(line: Line, case: Case, advice: str, exclusions: Sequence[str] = ()) -> None:
    """Have both verifiers agree on what advises `advice`."""
    for verifier in VERIFIERS:
        line.take(
            verifier,
            case,
            "verify",
            factors=dict(SCORES[advice]),
            exclusions=list(exclusions),
            reason=REASONS[0],
        )


def decided(line: Line, hearing: Hearing, case: Case, decision: str) -> None:
    """Have the panel's decision recorded by two people."""
    for recorder in cast.RECORDERS:
        line.take(recorder, case, "decide", decision=decision, panel=hearing.votes(decision), reason=REASONS[1])


def served(line: Line, hearing: Hearing, case: Case) -> None:
    """Have the decision opened and signed."""
    line.sign(hearing.who.who, case, "TOLERANCE_DECISION")
    line.reaches(cast.ACCEPTOR, case, "SERVED")


def done(line: Line, case: Case) -> None:
    """Wait until every effect of a case has come, wherever it is."""
    effects = replace(case, id=f"{case.id}/effects")
    line.until(cast.ACCEPTOR, effects, lambda found: found["complete"], "every effect")


def plan(line: Line, hearing: Hearing, case: Case) -> Case:
    """Have the unit say what it will do; return the plan of correction."""
    found = line.listed(cast.ACCEPTOR, "incentive", "/corrections", lambda _: True, tolerance_id=case.id)
    correction = Case("incentive", "corrections", str(found["id"]))
    line.take(hearing.head, correction, "plan", measures=["完善论证程序,补齐进度(虚构)。"])
    return correction


def corrected(line: Line, hearing: Hearing, correction: Case) -> None:
    """Have the unit prove what it did, and an officer accept it."""
    proof = line.evidence(hearing.head, "incentive", f"{line.name} corrected")
    line.take(hearing.head, correction, "prove", proof=[proof], note="已按计划完成(虚构)。")
    line.take(people.SUPERVISE, correction, "accept", reason=REASONS[2])


def heard(
    line: Line, hearing: Hearing, course: Course, decision: str, circumstance: int = 2
) -> Generator[datetime, None, tuple[Case, Case]]:
    """Lead a case from the finding to the service of its decision; return finding and case."""
    finding = yield from findings.verified(line, hearing.who, course.noticed)
    yield at(course.filed)
    case = asked(line, hearing, finding, circumstance=circumstance)
    yield at(course.verified)
    verified(line, case, decision)
    yield at(course.decided)
    decided(line, hearing, case, decision)
    served(line, hearing, case)
    return finding, case


# ---- the stories


def granted(stage: Stage, name: str, hearing: Hearing, course: Course, decision: str, circumstance: int) -> Days:
    """Lead a case to exemption or mitigation, and its correction to the end."""
    line = Line(stage, name)
    finding, case = yield from heard(line, hearing, course, decision, circumstance)
    yield at(course.planned)
    done(line, case)
    correction = plan(line, hearing, case)
    yield at(course.corrected)
    corrected(line, hearing, correction)
    line.reaches(cast.ACCEPTOR, case, "CLOSED")
    if decision == "EXEMPT":
        line.tell(
            "容错免责:问题不再扣分,纠错完成",
            "exempted, and what went wrong is corrected",
            (finding, people.SUPERVISE),
            (case, cast.ACCEPTOR),
            (correction, people.SUPERVISE),
        )


def denied(stage: Stage, name: str, hearing: Hearing, course: Course) -> Days:
    """Lead a case to a denial, which takes effect and changes nothing."""
    line = Line(stage, name)
    _, case = yield from heard(line, hearing, course, "DENY")
    yield at(course.planned)
    line.reaches(cast.ACCEPTOR, case, "EFFECTIVE")


def excluded(stage: Stage, name: str, hearing: Hearing) -> Days:
    """Scenario 6: the loss came from a major safety accident. The advice is to deny, and the panel cannot exempt."""
    line, course = Line(stage, name), SPRING
    finding = yield from findings.verified(line, hearing.who, course.noticed, facts="施工组织不力,造成损失(虚构)。")
    yield at(course.filed)
    case = asked(line, hearing, finding, circumstance=6)
    yield at(course.verified)
    verified(line, case, "EXEMPT", ["SAFETY"])
    advised = replace(case, id=f"{case.id}/verification")
    line.until(cast.ACCEPTOR, advised, lambda found: found["advice"] == "DENY", "the advice is to deny")
    yield at(course.decided)
    line.refused("EXCLUDED_SAFETY", lambda: decided(line, hearing, case, "EXEMPT"))
    decided(line, hearing, case, "DENY")
    served(line, hearing, case)
    yield at(course.planned)
    line.reaches(cast.ACCEPTOR, case, "EFFECTIVE")
    line.tell(
        "重大安全责任事故,排除容错,不予免责",
        "a major safety accident excludes tolerance",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
    )


def reviewed(stage: Stage, name: str, hearing: Hearing) -> Days:
    """The panel denies, the applicant asks for a review, others mitigate; what is heavier is refused."""
    line, course = Line(stage, name), AUTUMN
    finding, case = yield from heard(line, hearing, course, "DENY")
    yield at(date(2024, 7, 29))
    line.take(hearing.who.who, case, "ask_review", grounds="补充会议纪要,请求复核(虚构)。")
    yield at(date(2024, 8, 5))
    line.refused(
        "AVOIDANCE", lambda: line.take(cast.RECORDERS[0], case, "review", decision="MITIGATE", reason=REASONS[1])
    )
    for reviewer in (people.SUPERVISE_SECOND, people.DISCIPLINE_SECOND):
        line.take(reviewer, case, "review", decision="MITIGATE", reason="补充材料属实(虚构)。")
    yield at(course.planned)
    done(line, case)
    correction = plan(line, hearing, case)
    yield at(course.corrected)
    corrected(line, hearing, correction)
    line.tell(
        "不予容错后申请复核,复核改为减责",
        "denied, and mitigated on review",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
    )


def revoked(stage: Stage, name: str, hearing: Hearing) -> Days:
    """An exemption turns out to have been obtained by fraud: noticed, answered, revoked; the points count again."""
    line = Line(stage, name)
    finding, case = yield from heard(line, hearing, SPRING, "EXEMPT")
    yield at(SPRING.planned)
    done(line, case)
    correction = plan(line, hearing, case)
    yield at(SPRING.corrected)
    corrected(line, hearing, correction)
    yield at(date(2024, 7, 1))
    line.take(cast.ACCEPTOR, case, "give_notice", ground="FRAUD", reason="会议纪要系事后补写(虚构)。")
    line.sign(hearing.who.who, case, "TOLERANCE_REVOCATION_NOTICE")
    line.refused("ANSWER_WINDOW_OPEN", lambda: line.take(people.SUPERVISE, case, "revoke", reason="拟撤销(虚构)。"))
    yield at(date(2024, 7, 3))
    line.take(hearing.who.who, case, "answer", answer="申辩:材料由他人整理(虚构)。")
    yield at(date(2024, 7, 8))
    for officer in (people.SUPERVISE, people.DISCIPLINE):
        line.take(officer, case, "revoke", reason="申辩不成立(虚构)。")
    line.sign(hearing.who.who, case, "TOLERANCE_REVOCATION")
    done(line, case)
    line.tell(
        "容错材料造假被查实,免责撤销,扣分恢复",
        "obtained by fraud: revoked, and the points count again",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
    )


def overdue(stage: Stage, name: str, hearing: Hearing) -> Days:
    """The unit lets the time to correct pass; it is warned that the tolerance will be revoked, and corrects at last."""
    line = Line(stage, name)
    finding, case = yield from heard(line, hearing, SPRING, "MITIGATE")
    yield at(date(2024, 5, 31))
    found = line.listed(cast.ACCEPTOR, "incentive", "/corrections", lambda _: True, tolerance_id=case.id)
    late = Case("incentive", "corrections", str(found["id"]))
    line.reaches(people.SUPERVISE, late, "OVERDUE")
    line.take(cast.ACCEPTOR, case, "give_notice", ground="CORRECTION_OVERDUE", reason="纠错逾期(虚构)。")
    line.sign(hearing.who.who, case, "TOLERANCE_REVOCATION_NOTICE")
    correction = plan(line, hearing, case)
    corrected(line, hearing, correction)
    yield at(date(2024, 7, 1))
    line.refused("CORRECTION_NOT_OVERDUE", lambda: line.take(people.SUPERVISE, case, "revoke", reason="拟撤销(虚构)。"))
    line.tell(
        "减责后纠错逾期,催告后完成,容错保留",
        "the correction was late, and done after a notice",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
        (correction, people.SUPERVISE),
    )


def mistimed(stage: Stage, name: str, hearing: Hearing) -> Days:
    """Scenario 7: asked for before anybody is held accountable, then drafted, and filed when the time for it is long over."""
    line, who = Line(stage, name), hearing.who
    yield at(SPRING.noticed)
    finding = line.open(
        cast.INSPECTOR,
        "supervision",
        "findings",
        source="AUDIT",
        unit=who.unit,
        type="TASK_NOT_IMPLEMENTED",
        reason_codes=["WEAK_EXECUTION"],
        facts="重点任务未按期落实(虚构)。",
        severity=2,
        occurred_on="2024-03-01",
        responsible=[{"cadre": who.cadre, "role": "LEAD"}],
        evidence=[line.evidence(cast.INSPECTOR, "supervision", line.name)],
    )
    line.refused("STAGE_TOO_EARLY", lambda: drafted(line, hearing, finding))
    line.take(cast.INSPECTOR, finding, "notify")
    line.sign(who.who, finding, "FINDING_NOTICE")
    line.until(cast.INSPECTOR, finding, lambda found: found["served_on"], "served")
    yield at(date(2024, 3, 6))
    line.take(who.who, finding, "plea", text=findings.PLEA)
    for officer in (cast.FIRST, cast.SECOND):
        line.take(officer, finding, "verify", reason=findings.REASON)
    case = drafted(line, hearing, finding)
    yield at(date(2024, 4, 15))
    line.refused("STAGE_TOO_LATE", lambda: line.take(who.who, case, "file"))
    line.take(who.who, case, "discard")
    line.tell(
        "过早、过晚申请容错均被拒,告知可以申诉",
        "asked for too early, and too late",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
    )


def pending(stage: Stage, name: str, hearing: Hearing) -> Days:
    """Scenario 8: what tolerance is asked for is not made public meanwhile, and never when it is excused."""
    line = Line(stage, name)
    finding = yield from findings.verified(line, hearing.who, SPRING.noticed)
    yield at(SPRING.filed)
    case = asked(line, hearing, finding, circumstance=4)
    bulletin = exposed(line, Exposure(lambda: finding, hearing.who, True, ("NEWSPAPER",)))
    when = "2024-03-20T08:30:00+08:00"
    line.refused("TOLERANCE_PENDING", lambda: line.take(people.SUPERVISE, bulletin, "schedule", publish_at=when))
    yield at(SPRING.verified)
    verified(line, case, "EXEMPT")
    yield at(SPRING.decided)
    decided(line, hearing, case, "EXEMPT")
    served(line, hearing, case)
    yield at(SPRING.planned)
    done(line, case)
    line.reaches(people.SUPERVISE, bulletin, "REJECTED")
    correction = plan(line, hearing, case)
    yield at(SPRING.corrected)
    corrected(line, hearing, correction)
    line.tell(
        "容错办理期间不得曝光,免责后不予通报",
        "not made public while tolerance is open, nor after it",
        (finding, people.SUPERVISE),
        (case, cast.ACCEPTOR),
        (bulletin, people.SUPERVISE),
    )


def published(stage: Stage, name: str, hearing: Hearing) -> Days:
    """Scenario 4: named in newspaper, television and WeChat, a recall open; mitigated, all of it is taken back."""
    line, who = Line(stage, name), hearing.who
    finding = yield from findings.verified(line, who, MAY.noticed)
    exposure = Exposure(lambda: finding, who, True, (*bulletins.PRESS, "WECHAT"))
    bulletin = exposed(line, exposure)
    line.take(people.SUPERVISE, bulletin, "schedule", publish_at="2024-05-06T08:30:00+08:00")
    yield at(date(2024, 5, 6))
    bulletins.prove(line, bulletin, exposure, "confirm", "POSTED", 1)
    line.reaches(people.MEDIA, bulletin, "PUBLISHED")
    recall = line.open(
        people.SUPERVISE, "supervision", "recalls", cadre=who.cadre, findings=[finding.id], text="建议召回(虚构)。"
    )
    line.take(people.SUPERVISE, recall, "notify")
    line.sign(who.who, recall, "RECALL_NOTICE")
    line.until(people.SUPERVISE, recall, lambda found: found["served_on"], "served")
    yield at(MAY.filed)
    line.take(who.who, recall, "plea", text=findings.PLEA)
    line.take(people.COMMITTEE, recall, "approve")
    case = asked(line, hearing, finding)
    verified(line, case, "MITIGATE")
    yield at(MAY.decided)
    decided(line, hearing, case, "MITIGATE")
    yield at(date(2024, 5, 16))
    served(line, hearing, case)
    yield at(MAY.planned)
    bulletins.prove(line, bulletin, exposure, "retract", "WITHDRAWING", 1)
    done(line, case)
    line.reaches(people.MEDIA, bulletin, "WITHDRAWN")
    line.reaches(people.SUPERVISE, recall, "CANCELLED")
    correction = plan(line, hearing, case)
    yield at(MAY.corrected)
    corrected(line, hearing, correction)
    line.tell(
        "公开曝光后容错减责:三个渠道撤回更正,召回取消,封顶解除",
        "mitigated after publication: withdrawn everywhere, the recall cancelled, the cap lifted",
        (finding, people.SUPERVISE),
        (bulletin, people.SUPERVISE),
        (recall, people.SUPERVISE),
        (case, cast.ACCEPTOR),
        (correction, people.SUPERVISE),
    )


def exposed(line: Line, exposure: Exposure) -> Case:
    """Have a bulletin drafted, and approved by three offices."""
    bulletin = line.open(people.SUPERVISE, "supervision", "bulletins", **exposure.draft())
    line.take(people.SUPERVISE, bulletin, "submit")
    bulletins.approve(line, bulletin)
    return bulletin


STORIES: Final[Sequence[tuple[str, Callable[[Stage, str, Hearing], Days]]]] = (
    ("published", published),
    ("excluded", excluded),
    ("mistimed", mistimed),
    ("pending", pending),
    ("reviewed", reviewed),
    ("revoked", revoked),
    ("overdue", overdue),
)
EXTRAS: Final = (
    ("exempt-spring", "EXEMPT", SPRING, 3),
    ("mitigate-spring", "MITIGATE", SPRING, 4),
    ("deny-spring", "DENY", SPRING, 2),
    ("exempt-autumn", "EXEMPT", AUTUMN, 1),
    ("mitigate-autumn", "MITIGATE", AUTUMN, 2),
    ("deny-autumn", "DENY", AUTUMN, 1),
)
"""Those who have no story of their own: what is decided, when, and how many of them there are in a whole year."""


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of about twenty cases."""
    counts = [max(1, round(count * share)) if share >= 0.2 or "spring" in name else 0 for name, _, _, count in EXTRAS]
    heard_of = hearings(everybody, everybody.call(len(STORIES) + sum(counts)))
    found = [(f"tolerance-{name}", lead(stage, f"tolerance-{name}", next(heard_of))) for name, lead in STORIES]
    circumstance = 0
    for (kind, decision, course, _), count in zip(EXTRAS, counts, strict=True):
        for number in range(1, count + 1):
            name, hearing = f"tolerance-{kind}-{number:02}", next(heard_of)
            circumstance = circumstance % 9 + 1
            days = (
                denied(stage, name, hearing, course)
                if decision == "DENY"
                else granted(stage, name, hearing, course, decision, circumstance)
            )
            found.append((name, days))
    return found
