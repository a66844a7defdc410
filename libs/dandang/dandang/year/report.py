"""What came of the year: the timeline of each protagonist, grades beside quotas, and whom the bus told what.

All of it is made of what the services know; nothing of it is remembered by the play but which cases to look at.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from citybus.cases import CaseType
from citybus.clock import ZONE
from dandang.documents import case_types
from dandang.slice import cast
from dandang.slice.api import Api, patiently
from dandang.slice.cast import Person
from dandang.year import people
from dandang.year.people import Member, People
from dandang.year.stage import Case, Protagonist

SYSTEM: Final = "system:"
NO_GRADE: Final = "–"
GRADES: Final[Mapping[str, str]] = {
    "EXCELLENT": "优秀",
    "GOOD": "良好",
    "COMPETENT": "称职",
    "BASICALLY_COMPETENT": "基本称职",
    "ORDINARY": "一般",
    "INCOMPETENT": "不称职",
    "POOR": "较差",
    NO_GRADE: "不定等次",
}
"""Grades from the best, of cadres and groups; the last is no grade."""
QUOTAS: Final[Mapping[str, tuple[str, str]]] = {
    "GROUP": ("领导班子", "groups"),
    "CADRE": ("领导干部", "leading cadres"),
    "CIVIL_SERVANT": ("其他公务员", "civil servants"),
}


Step = tuple[Case, Mapping[str, Any]]
"""A step of a case, as the history of the case has it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: when in domain time, who did what to which case, by which event, under which rule packs."""

    at: str
    who: str
    zh: str
    en: str
    case: str
    state: str
    event: str | None
    rule_packs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grade:
    """What the year's assessment came to, and why: points, what findings deduct, and the codes of what bound the grade."""

    grade: str
    composite: str | None
    deduction: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Whom a story happened to, or which unit; what became of it in words, how it went, the grade of the year if any."""

    name: str
    zh: str
    en: str
    whom: str | None
    entries: tuple[Entry, ...]
    grade: Grade | None


@dataclass(frozen=True, slots=True)
class Pool:
    """The grades of a pool beside its quota: how many of `base` may be excellent, how many have which grade."""

    category: str
    base: int
    ratio: str
    limit: int
    grades: Mapping[str, int]


class Report:
    """Asks the services of the running city what the year came to."""

    def __init__(self, api: Api, everybody: People, year: int) -> None:
        self.api = api
        self.year = year
        self.members = {member.cadre: member for member in everybody.members}
        self.annuals = list(self._pages("assessment", "/annuals", year=year))
        self._annual_of = {each["cadre"]: each["id"] for each in self.annuals if each["cadre"]}
        self._names = _names(everybody)
        self._units = {unit.code: unit.name for unit in cast.city().units}

    def story(self, protagonist: Protagonist) -> Told:
        """Return how a protagonist's year went: their cases, and the annual assessment of whom they are about."""
        cases = list(protagonist.cases)
        contents = [self._content(case, reader) for case, reader in cases]
        whom = next(filter(None, map(self._whom, contents)), None)
        unit = next(filter(None, (self._units.get(str(content.get("unit"))) for content in contents)), None)
        if whom is not None and (annual := self._annual_of.get(whom.cadre)):
            case = Case("assessment", "annuals", annual)
            if all(each.id != annual for each, _ in cases):
                cases.append((case, people.ASSESS))
        steps = [step for case, reader in cases for step in self._steps(case, reader)]
        ordered = tuple(self._entry(case, step) for case, step in in_order(steps))
        graded = next((self._grade(case) for case, _ in cases if case.collection == "annuals"), None)
        called = label(whom) if whom else unit
        return Told(protagonist.name, protagonist.zh, protagonist.en, called, ordered, graded)

    def pools(self) -> list[Pool]:
        """Return the grades of the year by pool, beside the quotas."""
        quotas = {each["category"]: each for each in self._pages("assessment", "/quotas", year=self.year)}
        found = []
        for category in QUOTAS:
            grades = Counter(each["grade"] or NO_GRADE for each in self.annuals if each["quota_category"] == category)
            if category in quotas:
                quota = quotas[category]
                ordered = {grade: grades[grade] for grade in GRADES if grades[grade]}
                found.append(Pool(category, quota["base"], quota["ratio"], quota["limit"], ordered))
        return found

    def _grade(self, case: Case) -> Grade:
        path = f"{case.path}/explanation"
        found = patiently(lambda: self.api.get(people.ASSESS, case.service, path)).content
        reasons = tuple(dict.fromkeys(each["reason_code"] for each in found["constraints"]))
        return Grade(found["grade"] or NO_GRADE, found["composite"], found["deduction"]["points"], reasons)

    def _content(self, case: Case, reader: Person) -> Mapping[str, Any]:
        found: Mapping[str, Any] = patiently(lambda: self.api.get(reader, case.service, case.path)).content
        return found

    def _whom(self, content: Mapping[str, Any]) -> Member | None:
        ids = [content.get("cadre"), content.get("owner"), *(each["cadre"] for each in content.get("responsible", ()))]
        return next((self.members[each] for each in ids if each in self.members), None)

    def _steps(self, case: Case, reader: Person) -> list[Step]:
        found = patiently(lambda: self.api.get(reader, case.service, f"{case.path}/history")).content["items"]
        return [(case, step) for step in found]

    def _entry(self, case: Case, step: Mapping[str, Any]) -> Entry:
        case_type = _case_type(case.service, case.collection)
        action = case_type.create if step["action"] == "create" else case_type.actions[step["action"]]
        # Where two people are needed, the first one's step changes nothing yet, and is not told to anybody.
        transition = (step["from_state"], step["action"], step["to_state"])
        moved = step["action"] == "create" or transition in case_type.transitions
        return Entry(
            at=datetime.fromisoformat(step["at"]).astimezone(ZONE).isoformat(),
            who=self._name(step["actor"]),
            zh=action.zh,
            en=action.en,
            case=case_type.zh,
            state=case_type.states[step["to_state"]][0] if moved else "",
            event=action.event if moved else None,
            rule_packs=tuple(step["rule_packs"]),
        )

    def _name(self, subject: str) -> str:
        if subject.startswith(SYSTEM):
            return f"系统 {subject.removeprefix(SYSTEM)}"
        return self._names.get(subject, subject)

    def _pages(self, service: str, path: str, **query: Any) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            asked = {**query, "limit": 200} | ({"cursor": cursor} if cursor else {})
            # mypy infers no type for a lambda with a default.
            found = patiently(lambda asked=asked: self.api.get(people.ASSESS, service, path, **asked)).content  # type: ignore[misc]
            yield from found["items"]
            cursor = found["next"]
            if not cursor:
                return


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is told at the end. `departments`: what each received, as `department.received_by_departments` says."""

    stories: Sequence[Told]
    pools: Sequence[Pool]
    departments: Mapping[str, Mapping[str, Any]]


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Return the steps of several cases of several services, causes before effects.

    Much happens at one instant of the domain's clock. A service numbers its steps; ids tell when they were made (UUIDv7), so
    a step was taken after its case was opened, after the event that caused it, and after the steps of the service before it.
    """
    placed = []
    after: dict[str, str] = {}
    for case, step in sorted(steps, key=lambda each: int(each[1]["number"])):
        opened = case.id if step["action"] == "create" else ""
        after[case.service] = max(after.get(case.service, ""), opened, step["event_cause"] or "")
        placed.append(((datetime.fromisoformat(step["at"]), after[case.service]), (case, step)))
    return [each for _, each in sorted(placed, key=itemgetter(0))]


def label(member: Member) -> str:
    """Return what somebody is called."""
    return f"{member.row.name} {member.row.post}"


def show(outcome: Outcome, console: Console) -> None:
    """Print the report for people."""
    _show_stories(outcome.stories, console)
    _show_pools(outcome.pools, console)
    _show_departments(outcome.departments, console)


def _show_stories(stories: Sequence[Told], console: Console) -> None:
    console.rule("时间线 timelines")
    for story in stories:
        whom = f"{story.whom}:" if story.whom else ""
        console.print(f"[bold]{whom}{story.zh}[/bold]  [dim]{story.en}[/dim]", soft_wrap=True)
        day = ""
        for entry in story.entries:
            today = entry.at[:10]
            console.print(
                f"  {today if today != day else ' ' * 10}  {entry.who}  [bold]{entry.case}·{entry.zh}[/bold]"
                + (f" → {entry.state}" if entry.state else "")
                + f"  [dim]{entry.en}[/dim]",
                soft_wrap=True,
                highlight=False,
            )
            if by := [part for part in (entry.event, "、".join(entry.rule_packs)) if part]:
                console.print(f"              [cyan]{'  ·  '.join(by)}[/cyan]", soft_wrap=True, highlight=False)
            day = today
        if story.grade is not None:
            console.print(f"  [green]{_graded(story.grade)}[/green]", soft_wrap=True, highlight=False)


def _graded(grade: Grade) -> str:
    """Return the year's grade in words, with what it rests on."""
    told = f"年度等次 grade of the year: {GRADES[grade.grade]} {grade.grade}"
    if grade.composite is not None:
        told += f"  ·  {grade.composite} 分 points, 扣分 deducted {grade.deduction}"
    return told + (f"  ·  {'、'.join(grade.reasons)}" if grade.reasons else "")


def _show_pools(pools: Sequence[Pool], console: Console) -> None:
    console.rule("等次与优秀指标 grades and quotas")
    table = Table("类别 pool", "基数 base", "比例 share", "上限 limit", "等次 grades")
    for pool in pools:
        grades = "、".join(f"{GRADES[grade]} {count}" for grade, count in pool.grades.items())
        table.add_row(" ".join(QUOTAS[pool.category]), str(pool.base), f"{pool.ratio} %", str(pool.limit), grades)
    console.print(table)


def _show_departments(departments: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    console.rule("各部门收到 what each department received, and no more")
    for department in departments.values():
        console.print(f"[bold]{department['zh']}[/bold] [dim]{department['en']}[/dim]  {department['count']}")
        for event_type, received in department["types"].items():
            fields = "、".join(received["fields"])
            console.print(
                f"  {received['count']:4}  {event_type}  [dim]{received['dataclass']}: {fields}[/dim]",
                soft_wrap=True,
                highlight=False,
            )


@cache
def _case_type(service: str, collection: str) -> CaseType:
    return next(each for each in case_types() if (each.service, each.collection) == (service, collection))


def _names(everybody: People) -> dict[str, str]:
    """Return what everybody who acts is called, by subject."""
    officers = [each for module in (people, cast) for each in vars(module).values() if isinstance(each, Person)]
    named = {each.subject: each.zh for each in officers}
    for unit in everybody.units():
        for who in (everybody.head(unit), everybody.personnel(unit)):
            named[who.subject] = who.zh
    named |= {member.who.subject: member.who.zh for member in everybody.members}
    return named | {subject: zh for subject, (zh, _) in cast.people().items()}
