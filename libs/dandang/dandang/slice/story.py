"""The play itself: what each person does, and on which day. Each act may be played again; what is done stays as it is."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from citybus.clock import ZONE, FileClock
from citybus.ids import new_id
from dandang.local.errors import LocalError
from dandang.local.state import RunFolder
from dandang.sample import SampleCadre, roster_workbook
from dandang.slice import cast
from dandang.slice.api import Answer, Api, Refused, SliceFailed, patiently, wait_for
from dandang.slice.cast import Person

YEAR: Final = 2024
EVENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "supervision.inspection.started.v1": ("inspection", "kind", "theme", "units", "state"),
    "supervision.finding.verified.v1": ("finding", "unit"),
    "supervision.finding.weight-changed.v1": ("finding", "unit"),
}
"""What the department may have: these types, and of each these fields."""

EVIDENCE: Final = b"%PDF-1.7\n% the minutes of a site visit, made up for the slice\n"
EVIDENCE_OF_TOLERANCE: Final = b"%PDF-1.7\n% the minutes of a collective decision, made up for the slice\n"

FACTS: Final = "现场核查:重点项目两个标段进度滞后计划三个月(虚构)。"
PLEA: Final = "陈述:滞后因首次采用新工艺缺少经验,已组织追赶(虚构)。"
STATEMENT: Final = "申请:先行先试经集体研究决定,未谋私利,已挽回大部分进度(虚构)。"
REASONS: Final = (
    "证据充分,申辩意见已核对(虚构)。",
    "经调阅会议记录并现场核对(虚构)。",
    "先行先试,程序规范,损失已大部挽回(虚构)。",
)
SUMMARY: Final = "检查组实地查看两个标段,核对台账(虚构)。"
"""Texts of class L4: they stay in the service that they were given to."""

SCORES: Final[Mapping[str, int]] = {
    "motive": 2,
    "conditions": 1,
    "procedure": 2,
    "nature": 1,
    "consequence": 1,
    "recovery": 1,
}


@dataclass(slots=True)
class Stored:
    """What the run folder remembers of the play: ids by name, and the correlation id of each thread."""

    ids: dict[str, str] = field(default_factory=dict)
    threads: dict[str, str] = field(default_factory=dict)
    played: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """One act: when it is played in domain time (None: at once after the one before), and what is done."""

    zh: str
    en: str
    at: datetime | None
    do: Callable[[], None]


def on(month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """Return an instant of the year in which the slice is set."""
    return datetime(YEAR, month, day, hour, minute, tzinfo=ZONE)


BEGIN: Final = on(3, 4)
"""Monday, 4 March 2024. Qingming (4 to 6 April, made up for on Sunday the 7th) lies within the slice."""


def _unheard(done: int, total: int) -> None:
    """Tell nobody how far the import is."""


class Story:
    """The slice in one city. `tell_import(done, total)` hears how far the import of the roster is."""

    def __init__(self, run: RunFolder, api: Api, tell_import: Callable[[int, int], None] = _unheard) -> None:
        self.run, self.api, self.tell_import = run, api, tell_import
        self.file = run.root / "slice.json"
        self.stored = _read(self.file)
        self.lead, self.direct = cast.concerned()
        self.clock = _clock()

    # ---- what has been played

    def is_played(self) -> bool:
        """Say whether the slice was played to its end in this very city: the services are asked, not only the folder."""
        return self.stored.played and self._is_here()

    def has_begun(self) -> bool:
        """Say whether anything of the slice was played in this very city: if not, the city is a new one."""
        return bool(self.stored.threads) and (not self.stored.ids or self._is_here())

    def prepare(self, begin: datetime = BEGIN) -> None:
        """Get ready to play from where it was left, or from `begin` on. Raises SliceFailed where that cannot be."""
        if self.stored.ids and not self._is_here():
            self.stored = Stored()  # of a city that is no more
        if not self.stored.threads:
            self._begin(begin)

    def _is_here(self) -> bool:
        for name, reader in (("inspection", cast.INSPECTOR), ("tolerance", cast.ACCEPTOR)):
            try:
                if name in self.stored.ids:
                    self.read(name, reader)
            except Refused as refused:
                if refused.code != "NOT_FOUND":
                    raise
                return False
        return bool(self.stored.ids)

    def _begin(self, begin: datetime) -> None:
        """Put domain time to the first day. Raises SliceFailed where the city has lived already."""
        if self.clock.now() > begin:
            self._refuse_cases(cast.INSPECTOR, "inspection", begin)
            self._refuse_cases(cast.INSPECTOR, "finding", begin)
            self._refuse_cases(cast.ACCEPTOR, "tolerance", begin)
        self.clock.write(begin, running=True)
        self.stored.threads = {name: new_id() for name in ("roster", "subscription", "inspection", "tolerance")}
        self._write()

    def _refuse_cases(self, reader: Person, kind: str, begin: datetime) -> None:
        """Raise SliceFailed where there are cases of a kind: time must not go back for them."""
        service, collection = CASES[kind]
        if patiently(lambda: self.api.get(reader, service, f"/{collection}")).content["items"]:
            raise SliceFailed(
                f"城市里已有事项({collection}),不能把时钟拨回 {begin:%Y-%m-%d};请用新的城市演示\n"
                f"the city has cases already ({collection}), so that its clock cannot go back to {begin:%Y-%m-%d}; "
                "play the slice in a new one (`make clean`, or another DANDANG_RUN_FOLDER)"
            )

    def play(self, tell: Callable[[Act], None]) -> None:
        """Play every act in its order. Raises SliceFailed with what was refused, and by whom."""
        for act in self.acts():
            tell(act)
            if act.at is not None and self.clock.now() < act.at:
                self.clock.write(act.at, running=True)
            act.do()
        self.end()

    def end(self) -> None:
        """Note that the slice was played to its end."""
        self.stored.played = True
        self._write()

    def acts(self) -> tuple[Act, ...]:
        """Return the acts."""
        return (
            Act("导入干部名册", "the roster is imported", BEGIN, self.import_roster),
            Act("财政局申请订阅,审批,启用", "the Finance Bureau subscribes", on(3, 4, 10), self.subscribe),
            Act("制定检查计划并批准", "an inspection is planned and approved", on(3, 4, 14), self.plan),
            Act("开始检查", "the inspection begins", on(3, 8), self.start),
            Act("登记问题,附证据,告知责任人", "a finding is recorded and notified", on(3, 11), self.find),
            Act("送达告知书:阅读并签收", "the notices are opened and signed", on(3, 12), self.serve_notices),
            Act("负责人陈述申辩", "the one in the lead answers", on(3, 13), self.plead),
            Act("申辩期满,两人认定", "the window is over; two people verify", on(3, 20), self.verify),
            Act("扣分进入年度记录", "the deduction reaches the annual record", None, self.see_deducted),
            Act("申请容错", "tolerance is asked for", on(3, 21), self.ask_tolerance),
            Act("受理,指定两名核实人员", "accepted; two verifiers are assigned", on(3, 22), self.accept),
            Act("两人核实", "the two verify", on(3, 29), self.verify_tolerance),
            Act("审议组七人,六票减责", "a panel of seven, six for mitigation", on(4, 3), self.decide),
            Act(
                "送达决定(清明调休上班日)", "the decision is served on a make-up workday", on(4, 7), self.serve_decision
            ),
            Act("十个工作日后生效", "it takes effect ten working days later", on(4, 22), self.take_effect),
            Act("权重减半,扣分减半,各步完成", "weight and deductions are halved; all is done", None, self.see_halved),
            Act("财政局收到应得的事件", "the Finance Bureau has what it may", None, self.see_delivered),
        )

    # ---- the acts

    def import_roster(self) -> None:
        """Upload the sample city's workbook and wait for the job."""
        book = roster_workbook(cast.city())
        media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        self._create(
            "import",
            cast.ROSTER,
            "assessment",
            "/roster-imports",
            thread="roster",
            file=("黄石市干部名册(虚构).xlsx", book, media_type),
        )

        def ended() -> Any:
            path = f"/roster-imports/{self.stored.ids['import']}"
            found = patiently(lambda: self.api.get(cast.ROSTER, "assessment", path)).content
            if found["total"]:
                self.tell_import(found["progress"], found["total"])
            return found if found["state"] in ("IMPORTED", "REJECTED", "FAILED") else None

        found = wait_for(ended, "名册导入 the import of the roster", patience=300)
        if found["state"] != "IMPORTED":
            raise SliceFailed(f"名册导入未成功 / the roster was not imported: {found}")
        for name, member in self._needed().items():
            if name not in self.stored.ids:
                self.stored.ids[name] = self._cadre(member)
        self._write()

    def subscribe(self) -> None:
        """Let the department ask, the organisation department approve, and the security administrator put it to work."""
        self._create(
            "subscription",
            cast.DEPARTMENT,
            "notification",
            "/subscriptions",
            {
                "department": "finance-bureau",
                "event_types": sorted(EVENT_FIELDS),
                "fields": {name: list(fields) for name, fields in EVENT_FIELDS.items()},
                "purpose": "预算绩效管理",
                "legal_basis": "中华人民共和国预算法实施条例",
                "agreement_no": "HS-2024-001",
                "max_class": "L2",
                "valid_to": date(YEAR, 12, 31).isoformat(),
            },
            thread="subscription",
        )
        self._take("subscription", cast.APPROVER, "approve", reason="用途与目录相符(虚构)")
        self._take("subscription", cast.SECURITY, "activate", reason="账号与队列已核对(虚构)")

    def plan(self) -> None:
        """Plan a thematic inspection, which is announced, and have it approved."""
        team = [self.stored.ids["inspector-1"], self.stored.ids["inspector-2"]]
        self._create(
            "inspection",
            cast.INSPECTOR,
            "supervision",
            "/inspections",
            {
                "kind": "THEMATIC",
                "theme": "KEY_PROJECTS",
                "plan_date": date(YEAR, 3, 8).isoformat(),
                "end_date": date(YEAR, 3, 11).isoformat(),
                "team": team,
                "units": [cast.bureau()],
            },
        )
        self._take("inspection", cast.DIRECTOR, "approve")

    def start(self) -> None:
        """Begin the inspection, which the units have known of for three working days."""
        self._take("inspection", cast.INSPECTOR, "start")

    def find(self) -> None:
        """Record a finding with evidence, report and close the inspection, and notify those responsible."""
        digest = self._evidence("evidence", cast.INSPECTOR, "supervision", EVIDENCE)
        self._create(
            "finding",
            cast.INSPECTOR,
            "supervision",
            "/findings",
            {
                "inspection": self.stored.ids["inspection"],
                "unit": cast.bureau(),
                "type": "PROJECT_DELAY",
                "reason_codes": ["KEY_TASK_DELAYED"],
                "facts": FACTS,
                "severity": 3,
                "occurred_on": date(YEAR, 3, 8).isoformat(),
                "responsible": [
                    {"cadre": self.stored.ids["lead"], "role": "LEAD"},
                    {"cadre": self.stored.ids["direct"], "role": "DIRECT"},
                ],
                "evidence": [digest],
            },
        )
        self._take("finding", cast.INSPECTOR, "notify")
        self._take("inspection", cast.INSPECTOR, "report", summary=SUMMARY)
        self._take("inspection", cast.INSPECTOR, "close")
        for name, person in (("lead", self.lead), ("direct", self.direct)):
            self._arrive(f"notice-{name}", self._known(name, person), f"finding/{self.stored.ids['finding']}")

    def serve_notices(self) -> None:
        """Have both notices opened and signed; then the finding is served, and the time to answer runs."""
        for name, person in (("lead", self.lead), ("direct", self.direct)):
            self._sign(f"notice-{name}", self._known(name, person))
        self._wait("finding", cast.INSPECTOR, lambda finding: finding["served_on"], "送达 the service of the notices")

    def plead(self) -> None:
        """Have the one in the lead answer; the other lets the time pass."""
        self._take("finding", self._known("lead", self.lead), "plea", text=PLEA)

    def verify(self) -> None:
        """Have two people verify, neither of whom recorded the finding."""
        for person in (cast.FIRST, cast.SECOND):
            self._take("finding", person, "verify", reason=REASONS[0])

    def see_deducted(self) -> None:
        """Wait until both annual records have the deduction."""
        for name in ("lead", "direct"):
            self._record_with(name, 1)

    def ask_tolerance(self) -> None:
        """Have the one in the lead draft an application with evidence, and file it."""
        lead = self._known("lead", self.lead)
        digest = self._evidence("evidence-of-tolerance", lead, "incentive", EVIDENCE_OF_TOLERANCE)
        self._create(
            "tolerance",
            lead,
            "incentive",
            "/tolerance-cases",
            {
                "finding": self.stored.ids["finding"],
                "applicant": "CADRE",
                "circumstance": 2,
                "statement": STATEMENT,
                "evidence": [digest],
            },
        )
        self._take("tolerance", lead, "file")

    def accept(self) -> None:
        """Accept the application and assign a verifier of each organ."""
        self._take("tolerance", cast.ACCEPTOR, "accept")
        self._take("tolerance", cast.ACCEPTOR, "assign", verifiers=self._verifiers())

    def verify_tolerance(self) -> None:
        """Have both verifiers agree on the same scores."""
        for person in cast.VERIFIERS:
            self._take(
                "tolerance",
                person,
                "verify",
                factors=dict(SCORES),
                exclusions=[],
                reason=REASONS[1],
            )

    def decide(self) -> None:
        """Record the panel's decision, by two people: six of seven for mitigation."""
        votes = ["MITIGATE"] * 6 + ["DENY"]
        panel = [
            {"subject": f"panel-{number}", "cadre": self.stored.ids[f"panel-{number}"], "vote": vote}
            for number, vote in enumerate(votes, start=1)
        ]
        for person in cast.RECORDERS:
            self._take(
                "tolerance",
                person,
                "decide",
                decision="MITIGATE",
                panel=panel,
                reason=REASONS[2],
            )
        self._arrive("decision", self._known("lead", self.lead), f"tolerance/{self.stored.ids['tolerance']}")

    def serve_decision(self) -> None:
        """Have the applicant open and sign the decision; then the time to ask for a review runs."""
        self._sign("decision", self._known("lead", self.lead), thread="tolerance")
        self._wait("tolerance", cast.ACCEPTOR, lambda case: case["served_on"], "送达 the service of the decision")

    def take_effect(self) -> None:
        """Wait for the city to put the decision into effect, since its day has come."""
        self._wait("tolerance", cast.ACCEPTOR, lambda case: case["state"] == "EFFECTIVE", "生效 the decision's effect")

    def see_halved(self) -> None:
        """Wait until the finding weighs half, both deductions are halved, and the case knows that all is done."""
        self._wait(
            "finding", cast.INSPECTOR, lambda finding: finding["tolerance_case"], "权重 the finding's new weight"
        )
        for name in ("lead", "direct"):
            self._record_with(name, 2)
        wait_for(lambda: self.effects()["complete"], "各步完成 the last step of the case's effects")

    def see_delivered(self) -> None:
        """Wait until an event of every agreed type is in the delivery record of the department's subscription."""

        def recorded() -> bool:
            return {item["type"] for item in self.delivered()} == set(EVENT_FIELDS)

        wait_for(recorded, "投递记录 the delivery record of the subscription")

    # ---- looks at the services

    def read(self, name: str, who: Person) -> Any:
        """Return a case of the play as `who` sees it."""
        service, collection = CASES[_kind(name)]
        path = f"/{collection}/{self.stored.ids[name]}"
        return patiently(lambda: self.api.get(who, service, path)).content

    def history(self, name: str, who: Person) -> list[dict[str, Any]]:
        """Return the steps of a case of the play, oldest first."""
        service, collection = CASES[_kind(name)]
        path = f"/{collection}/{self.stored.ids[name]}/history"
        found: list[dict[str, Any]] = patiently(lambda: self.api.get(who, service, path)).content["items"]
        return found

    def record(self, name: str, as_of: datetime | None = None) -> Any:
        """Return the annual record of `lead` or `direct`, as it was known at `as_of`."""
        path = f"/annual-records/{self.stored.ids[name]}/{YEAR}"
        query = {} if as_of is None else {"as_of": as_of.isoformat()}
        return patiently(lambda: self.api.get(cast.RECORDS, "assessment", path, **query)).content

    def effects(self) -> Any:
        """Return what the tolerance must lead to elsewhere, step by step, and whether all of it is done."""
        path = f"/tolerance-cases/{self.stored.ids['tolerance']}/effects"
        return patiently(lambda: self.api.get(cast.ACCEPTOR, "incentive", path)).content

    def delivered(self) -> list[dict[str, Any]]:
        """Return the delivery record of the subscription."""
        path = f"/subscriptions/{self.stored.ids['subscription']}/deliveries"
        found: list[dict[str, Any]] = patiently(
            lambda: self.api.get(cast.APPROVER, "notification", path, limit=200)
        ).content["items"]
        return found

    # ---- how people act

    def _create(
        self,
        name: str,
        who: Person,
        service: str,
        path: str,
        body: Any = None,
        *,
        thread: str = "",
        file: tuple[str, bytes, str] | None = None,
    ) -> None:
        """Send what creates `name`, unless that is done, and remember its id."""
        if name in self.stored.ids:
            return
        correlation = self._thread(thread or _kind(name))
        # One key for ever: whoever is interrupted before noting the id gets the same answer again.
        key = f"slice:{self.stored.threads['roster']}:{name}"
        answer = patiently(lambda: self.api.post(who, service, path, body, key=key, correlation=correlation, file=file))
        self.stored.ids[name] = answer.content["id"]
        self._write()

    def _take(self, name: str, who: Person, action: str, *, thread: str = "", **form: Any) -> None:
        """Have `who` take a step on a case, unless they have."""
        service, collection = CASES[_kind(name)]
        path = f"/{collection}/{self.stored.ids[name]}"
        steps = self.history(name, who)
        if any(step["action"] == action and step["actor"] == who.subject for step in steps):
            return
        key = new_id()
        correlation = self._thread(thread or _kind(name))

        def attempt() -> Answer:
            version = self.api.get(who, service, path).version
            return self.api.post(
                who,
                service,
                f"{path}/{action.replace('_', '-')}",
                form,
                key=key,
                version=version,
                correlation=correlation,
            )

        patiently(attempt)

    def _evidence(self, name: str, who: Person, service: str, content: bytes) -> str:
        """Upload a file of evidence, unless that is done, and return its hash."""
        if name not in self.stored.ids:
            file = (f"{name}.pdf", content, "application/pdf")
            answer = patiently(lambda: self.api.post(who, service, "/evidence", file=file))
            self.stored.ids[name] = answer.content["sha256"]
            self._write()
        return self.stored.ids[name]

    def _arrive(self, name: str, who: Person, ref: str) -> None:
        """Wait until the document about `ref` is in the inbox of `who`, and remember its id."""
        if name in self.stored.ids:
            return

        def arrived() -> str | None:
            found = patiently(lambda: self.api.get(who, "notification", "/deliveries", ref=ref)).content["items"]
            return found[0]["id"] if found else None

        self.stored.ids[name] = wait_for(arrived, f"文书 the document about {ref} for {who.zh}")
        self._write()

    def _sign(self, name: str, who: Person, thread: str = "inspection") -> None:
        """Have `who` open a document, read it, and sign for it."""
        self._take(name, who, "open", thread=thread)
        path = f"/deliveries/{self.stored.ids[name]}/document"
        patiently(lambda: self.api.get(who, "notification", path))
        self._take(name, who, "sign", thread=thread)

    def _wait(self, name: str, who: Person, look: Callable[[Any], Any], what: str) -> None:
        wait_for(lambda: look(self.read(name, who)), what)

    def _record_with(self, name: str, version: int) -> None:
        wait_for(lambda: self.record(name)["version"] >= version, f"扣分 the deduction of {name}")

    def _known(self, name: str, person: Person) -> Person:
        return person.known_as(self.stored.ids[name])

    def _verifiers(self) -> list[dict[str, str]]:
        return [
            {"subject": person.subject, "cadre": self.stored.ids[f"verifier-{number}"]}
            for number, person in enumerate(cast.VERIFIERS, start=1)
        ]

    def _needed(self) -> dict[str, SampleCadre]:
        """Return the cadres whose ids the play needs, by name."""
        bureau, office = cast.staff(cast.bureau()), cast.staff(str(cast.INSPECTOR.unit))
        return {
            "lead": bureau[1],
            "direct": bureau[6],
            "inspector-1": office[2],
            "inspector-2": office[3],
            **{f"verifier-{n}": cast.staff(str(each.unit))[1] for n, each in enumerate(cast.VERIFIERS, start=1)},
            **{f"panel-{n}": cast.staff(cast.unit_code(name))[0] for n, name in enumerate(cast.PANEL_UNITS, start=1)},
        }

    def _cadre(self, member: SampleCadre) -> str:
        sought = {"unit": member.unit, "name": member.name}
        found = patiently(lambda: self.api.get(cast.ROSTER, "assessment", "/cadres", **sought)).content["items"]
        return next(str(each["id"]) for each in found if each["post"] == member.post)

    def _thread(self, name: str) -> str:
        return self.stored.threads["inspection" if name == "finding" else name]

    def _write(self) -> None:
        draft = self.file.with_name(f"{self.file.name}.new")
        draft.write_text(json.dumps(asdict(self.stored), indent=2) + "\n", encoding="utf-8")
        draft.replace(self.file)


CASES: Final[Mapping[str, tuple[str, str]]] = {
    "inspection": ("supervision", "inspections"),
    "finding": ("supervision", "findings"),
    "tolerance": ("incentive", "tolerance-cases"),
    "subscription": ("notification", "subscriptions"),
    "delivery": ("notification", "deliveries"),
}
"""Where cases of each kind are kept: the service, and the collection in its URLs."""


def _kind(name: str) -> str:
    return name if name in CASES else "delivery"


def _read(file: Path) -> Stored:
    try:
        return Stored(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Stored()


def _clock() -> FileClock:
    if os.environ.get("CITY_ENV") != "local" or not os.environ.get("CITY_CLOCK_FILE"):
        raise LocalError("演示只在本机城市进行 / the slice is played in a local city only: first run  make up")
    return FileClock(Path(os.environ["CITY_CLOCK_FILE"]))
