"""The annual assessment (A6, A8, A13–A18, A21): everybody in play is assessed, graded within the quotas, served, and heard."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from hashlib import sha256
from typing import Any, Final

from dandang.annual_sheet import SubjectYear, Talk, Votes, annual_sheet
from dandang.slice import cast
from dandang.slice.api import SliceFailed
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.people import Member, People
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

YEAR: Final = 2024
OPENED: Final = date(2024, 12, 2)
HELD: Final = date(2024, 12, 25)
EVALUATED: Final = date(2025, 1, 6)
PROPOSED: Final = date(2025, 1, 8)
OBJECTED: Final = date(2025, 1, 10)
APPROVED: Final = date(2025, 1, 16)
SERVED: Final = date(2025, 1, 17)
FILED: Final = date(2025, 2, 10)
DECIDED: Final = date(2025, 2, 24)
HEARD_AGAIN: Final = date(2025, 3, 17)
FINAL: Final = date(2025, 3, 31)

REPORT: Final = "本年度履职情况:围绕年度目标抓落实(虚构)。"
TALK: Final = "个别谈话:对其履职情况评价较为一致(虚构)。"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Year:
    """Who assesses whom, and how well each did."""

    def __init__(self, everybody: People, weak: Sequence[Member]) -> None:
        self.everybody = everybody
        self.units = everybody.in_play()
        self.weak = {member.cadre for member in weak}
        # Nobody assesses the people of their own office: a colleague of another one does.
        own = str(people.ASSESS.unit)
        scopes = ((people.ASSESS, [unit for unit in self.units if unit != own]), (people.GUEST, [own]))
        self.officers = [
            replace(who, everywhere=False, units=tuple(units)) for who, units in scopes if set(units) & set(self.units)
        ]

    def officer(self, unit: str) -> Person:
        """Return who assesses the people of a unit."""
        return next(each for each in self.officers if unit in each.units)

    def interviewers(self, unit: str) -> tuple[str, str]:
        """Return the identity numbers of two who talk about the people of a unit: of another office than theirs."""
        office = "黄石市委组织部" if unit != people.ASSESS.unit else "黄石市委办公室"
        first, second = self.everybody.of(cast.unit_code(office))[2:4]
        return first.row.id_no, second.row.id_no

    def cadre(self, member: Member) -> SubjectYear:
        """Return a cadre's row of the sheet: three in ten did very well, few poorly."""
        turn = (self.units.index(member.unit) * 7 + member.place * 3) % 20
        extra = (self.units.index(member.unit) * 31 + member.place * 17) % 100 / 50
        achievement, votes, routine = 82.0, (14, 14, 2, 0), ("好", "较好", "好", "较好")
        if turn < 6:
            achievement, votes, routine = 94.0, (28, 2, 0, 0), ("好",) * 4
        elif turn == 19:
            achievement, votes, routine = 62.0, (4, 14, 10, 2), ("一般", "较好", "一般", "一般")
        if member.cadre in self.weak:
            achievement, votes, routine = 44.0, (0, 3, 20, 7), ("一般", "较差", "一般", "较差")
        return SubjectYear(
            year=YEAR,
            ballot_on=HELD,
            votes=(Votes("A", 30, votes),),
            scores={"ACHIEVEMENT": achievement + extra, "LEADER": achievement - 1},
            id_no=member.row.id_no,
            report=REPORT,
            routine=routine,
            talks=self._talks(member.unit),
        )

    def group(self, unit: str) -> SubjectYear:
        """Return a leading group's row of the sheet: two in five did very well, one in twenty poorly."""
        number = self.units.index(unit)
        points = 93.0 if number % 5 in (0, 2) else 82.0
        if number % 20 == 9:
            points = 66.0
        names = ("POLITICS", "LEADERSHIP", "ACHIEVEMENT", "CLEANNESS", "STYLE")
        return SubjectYear(
            year=YEAR,
            ballot_on=HELD,
            votes=(Votes("A", 40, (26, 13, 1, 0)),),
            scores=dict.fromkeys(names, points + number % 9 / 10),
            unit=unit,
            report=REPORT,
            talks=self._talks(unit),
        )

    def _talks(self, unit: str) -> tuple[Talk, ...]:
        return tuple(Talk(date(2024, 12, day), self.interviewers(unit), TALK) for day in (20, 23))


def lines(stage: Stage, everybody: People, share: float) -> list[tuple[str, Days]]:
    """Return the lines of the annual assessment; `share` is that of the units, which `everybody` knows."""
    weak = everybody.call(4, county_level=False)
    year = Year(everybody, weak)
    found = [("annual", assessed(Line(stage, "annual"), year))]
    for unit in year.units:
        name = f"served-{unit}"
        found.append((name, served(Line(stage, name), year, unit)))
    for story, who in zip((amended, upheld, too_late), weak, strict=False):
        name = f"review-{story.__name__}"
        found.append((name, story(Line(stage, name), who)))
    found.append(("make-up", made_up(Line(stage, "make-up"), year)))
    return found


def assessed(line: Line, year: Year) -> Days:
    """Assess everybody: opened, reported and evaluated by sheets, verified, proposed, publicised, approved."""
    yield at(OPENED)
    for kind in ("CADRE", "GROUP"):
        scheme = line.open(people.ASSESS, "assessment", "schemes", year=YEAR, target_kind=kind)
        line.take(people.ASSESS, scheme, "publish")
    rounds(line, year, "open")
    yield at(EVALUATED)
    evaluate(line, year)
    rounds(line, year, "verify")
    explained(line, year)
    for category in ("GROUP", "CADRE", "CIVIL_SERVANT"):
        quota = line.open(people.ASSESS, "assessment", "quotas", year=YEAR, category=category)
        for who in (people.ASSESS, people.ASSESS_SECOND):
            line.take(who, quota, "lock")
    yield at(PROPOSED)
    for kind in ("GROUP", "CADRE"):
        for who in year.officers:
            closing = line.post(who, "assessment", "/annual-closings", year=YEAR, subject_kind=kind)
            ended(line, who, Case("assessment", "annual-closings", str(closing["id"])))
    beyond_quota(line, year)
    rounds(line, year, "publicize")
    yield at(OBJECTED)
    objected(line, year)
    yield at(APPROVED)
    take_round(line, people.COMMITTEE, "GROUP", "approve")
    within_quota(line, year)
    take_round(line, people.COMMITTEE, "CADRE", "approve")


def rounds(line: Line, year: Year, action: str) -> None:
    """Take a step with every group, then with every cadre."""
    for kind in ("GROUP", "CADRE"):
        for who in year.officers:
            take_round(line, who, kind, action)


def take_round(line: Line, who: Person, kind: str, action: str) -> None:
    """Take a step with all whom it waits for, within the officer's scope, and wait for its end."""
    made = line.post(who, "assessment", "/annual-rounds", year=YEAR, subject_kind=kind, action=action)
    ended(line, who, Case("assessment", "annual-rounds", str(made["id"])))


def ended(line: Line, who: Person, job: Case) -> None:
    """Wait for the end of a job. Raises SliceFailed where it failed."""
    found = line.reaches(who, job, "DONE", "FAILED", "RECORDED", "REJECTED")
    if found["state"] in ("FAILED", "REJECTED"):
        raise SliceFailed(f"{job.collection}: {found}")


def evaluate(line: Line, year: Year) -> None:
    """Upload the sheets of groups and of cadres: all whose assessment is open."""
    members = {member.cadre: member for member in year.everybody.members}
    for who in year.officers:
        waiting = listed(line, who, state="OPEN")
        groups = [year.group(each["unit"]) for each in waiting if each["subject_kind"] == "GROUP"]
        cadres = [year.cadre(members[each["cadre"]]) for each in waiting if each["subject_kind"] == "CADRE"]
        for rows in (groups, cadres):
            if rows:
                rows.sort(key=lambda row: (row.unit, row.id_no))
                file = ("年度考核汇总表(虚构).xlsx", annual_sheet(rows), XLSX)
                sheet = line.post(who, "assessment", "/annual-sheets", file=file)
                ended(line, who, Case("assessment", "annual-sheets", str(sheet["id"])))


def explained(line: Line, year: Year) -> None:
    """Have those verified whom many judged badly: each with what the verification found (A11)."""
    for each in sorted(listed(line, people.ASSESS, state="EVALUATED"), key=lambda each: (each["unit"], each["cadre"])):
        case = Case("assessment", "annuals", str(each["id"]))
        line.take(year.officer(each["unit"]), case, "verify", reason="负面评价集中于履职实绩,经核实属实(虚构)")


def beyond_quota(line: Line, year: Year) -> None:
    """Have a group that the quota left out proposed as excellent by hand, for the committee to see."""
    proposed = listed(line, people.ASSESS, state="PROPOSED", subject_kind="GROUP")
    for each in sorted(proposed, key=lambda each: str(each["unit"])):
        case, who = Case("assessment", "annuals", str(each["id"])), year.officer(each["unit"])
        if "QUOTA_FULL" in line.ask(who, "assessment", f"{case.path}/explanation")["notes"]:
            line.take(who, case, "propose", grade="EXCELLENT", reason="力荐(虚构)")
            return


def within_quota(line: Line, year: Year) -> None:
    """Have the committee refused what is beyond the quota, with the figures; it is proposed lower, and approved."""
    for each in listed(line, people.ASSESS, state="PUBLICIZED", subject_kind="GROUP"):
        case, who = Case("assessment", "annuals", str(each["id"])), year.officer(each["unit"])
        line.refused("QUOTA_EXCEEDED", partial(line.take, people.COMMITTEE, case, "approve"))
        line.take(who, case, "object", reason="优秀指标已用完(虚构)")
        line.take(who, case, "propose", grade="GOOD", reason="按良好拟定(虚构)")
        line.take(people.COMMITTEE, case, "approve")
        line.tell("班子拟定优秀超出指标,被拒后定为良好", "a group beyond the quota", (case, people.ASSESS))


def objected(line: Line, year: Year) -> None:
    """Have one of those proposed as excellent objected to in the publicity, and proposed lower."""
    publicized = listed(line, people.ASSESS, state="PUBLICIZED", subject_kind="CADRE")
    members = {member.cadre: member for member in year.everybody.members}
    first = min(publicized, key=lambda each: (members[each["cadre"]].unit, members[each["cadre"]].place))
    case, who = Case("assessment", "annuals", str(first["id"])), year.officer(first["unit"])
    line.take(who, case, "object", reason="公示期收到异议,经核实属实(虚构)")
    line.take(who, case, "propose", grade="COMPETENT", reason="核实后按称职拟定(虚构)")
    line.tell("拟定优秀公示期被提出异议,核实后定为称职", "objected to in the publicity", (case, people.ASSESS))


def listed(line: Line, who: Person, state: str, **sought: Any) -> list[Any]:
    """Return all assessments of the year in a state that `who` sees."""
    found, cursor = [], None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        page = line.ask(who, "assessment", "/annuals", year=YEAR, state=state, limit=200, **sought, **more)
        found += page["items"]
        cursor = page["next"]
        if not cursor:
            return found


def served(line: Line, year: Year, unit: str) -> Days:
    """Have the people of a unit open and sign what they are served with."""
    yield at(SERVED)
    decided = [each for each in listed(line, people.ASSESS, state="APPROVED", unit=unit) if each["cadre"]]
    ours = {member.cadre: member for member in year.everybody.of(unit)}
    for each in sorted(decided, key=lambda each: ours[each["cadre"]].place):
        line.sign(ours[each["cadre"]].who, Case("assessment", "annuals", str(each["id"])), "ANNUAL_RESULT")


def annual_of(line: Line, who: Member) -> Case:
    """Return the assessment of a cadre."""
    found = line.ask(people.ASSESS, "assessment", "/annuals", year=YEAR, cadre=who.cadre)["items"]
    return Case("assessment", "annuals", str(found[0]["id"]))


def reviewed(line: Line, who: Member, decision: str, **form: Any) -> Any:
    """Have a review asked for in time, and decided by two others than those who graded."""
    yield at(FILED)
    annual = annual_of(line, who)
    review = line.open(
        who.who,
        "assessment",
        "appeals",
        type="REVIEW",
        subject_ref=f"annual/{annual.id}",
        grounds="评价与事实不符(虚构)",
    )
    line.take(people.APPEALS, review, "accept")
    line.take(people.APPEALS, review, "examine")
    yield at(DECIDED)
    for officer in (people.APPEALS, people.APPEALS_SECOND):
        line.take(officer, review, "decide", decision=decision, reason="经复核(虚构)", **form)
    return annual, review


def amended(line: Line, who: Member) -> Days:
    """Have a review end in a lighter grade, which is served anew."""
    annual, review = yield from reviewed(line, who, "AMENDED", amended_to="BASICALLY_COMPETENT")
    line.take(people.APPEALS, review, "execute")
    line.reaches(people.ASSESS, annual, "CORRECTED")
    line.sign(who.who, review, "APPEAL_DECISION")
    line.sign(who.who, annual, "ANNUAL_RESULT")
    line.tell(
        "不称职,复核后改为基本称职", "a grade amended by review", (annual, people.ASSESS), (review, people.APPEALS)
    )


def upheld(line: Line, who: Member) -> Days:
    """Have a review uphold a grade, and an appeal to the fair commission uphold it as well."""
    annual, review = yield from reviewed(line, who, "UPHELD")
    line.sign(who.who, review, "APPEAL_DECISION")
    yield at(date(2025, 3, 3))
    appeal = line.open(
        who.who,
        "assessment",
        "appeals",
        type="APPEAL",
        subject_ref=f"annual/{annual.id}",
        grounds="对复核决定不服(虚构)",
    )
    line.take(people.FAIR, appeal, "accept")
    line.take(people.FAIR, appeal, "examine")
    yield at(HEARD_AGAIN)
    for officer in (people.FAIR, people.FAIR_SECOND):
        line.take(officer, appeal, "decide", decision="UPHELD", reason="经审查(虚构)")
    line.sign(who.who, appeal, "APPEAL_DECISION")
    line.tell(
        "不称职,复核、申诉均维持",
        "a grade upheld twice",
        (annual, people.ASSESS),
        (review, people.APPEALS),
        (appeal, people.FAIR),
    )


def too_late(line: Line, who: Member) -> Days:
    """Have a review asked for when the time is over."""
    yield at(HEARD_AGAIN)
    annual = annual_of(line, who)
    line.refused(
        "OUT_OF_TIME",
        lambda: line.open(
            who.who,
            "assessment",
            "appeals",
            type="REVIEW",
            subject_ref=f"annual/{annual.id}",
            grounds="评价与事实不符(虚构)",
        ),
    )
    line.tell("申请复核逾期,不予受理", "a review asked for too late", (annual, people.ASSESS))


def made_up(line: Line, year: Year) -> Days:
    """Make up the grades that waited for a case which is closed by now (A21)."""
    yield at(FINAL)
    members = {member.cadre: member for member in year.everybody.members}
    waiting = [each for each in listed(line, people.ASSESS, state="PENDING_MAKEUP") if each["hold_closed_on"]]
    for each in sorted(waiting, key=lambda each: str(members[each["cadre"]].who.subject)):
        who, case = members[each["cadre"]], Case("assessment", "annuals", str(each["id"]))
        make_up(line, year, who, case)
        line.tell("立案期间暂不定等,结案后补定等次", "a grade made up after the case was closed", (case, people.ASSESS))
        yield at(FINAL, 14)
        line.take(people.COMMITTEE, case, "approve")
        line.sign(who.who, case, "ANNUAL_RESULT")


def make_up(line: Line, year: Year, who: Member, case: Case) -> None:
    """Record what a grade rests on, and propose it."""
    officer = year.officer(who.unit)
    # The papers themselves lie with the organisation department; what is recorded names them by their sums.
    digest = sha256(f"补定等次材料(虚构) {who.who.subject}".encode()).hexdigest()
    row = year.cadre(who)
    for quarter in (1, 2, 3, 4):
        line.post(
            officer,
            "assessment",
            "/routine-grades",
            cadre=who.cadre,
            year=YEAR,
            quarter=quarter,
            grade="FAIRLY_GOOD",
            basis=["TALK"],
            evidence=[digest],
        )
    counts = dict(
        zip(("EXCELLENT", "COMPETENT", "BASICALLY_COMPETENT", "INCOMPETENT"), row.votes[0].counts, strict=True)
    )
    ballot = line.post(
        officer,
        "assessment",
        "/ballots",
        subject_kind="CADRE",
        cadre=who.cadre,
        year=YEAR,
        held_on="2025-03-28",
        classes=[{"name": "A", "expected": 30, "counts": counts}],
        evidence=[digest],
    )
    for day in ("2025-03-26", "2025-03-27"):
        line.post(
            officer,
            "assessment",
            "/talks",
            subject_kind="CADRE",
            cadre=who.cadre,
            year=YEAR,
            held_on=day,
            interviewers=[each.cadre for each in year.everybody.of(cast.unit_code("黄石市委组织部"))[2:4]],
            summary=TALK,
            evidence=[digest],
        )
    scores = {"ACHIEVEMENT": "80", "LEADER": "80"}
    line.take(officer, case, "make_up", ballot=str(ballot["id"]), scores=scores, reason="已核实,结案后补定(虚构)")
