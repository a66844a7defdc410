"""How the people of a scenario act on a running city: through its HTTP APIs, on the days that the scenario gives."""

import json
import mimetypes
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import requests

from dandang.slice import cast, story
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.support.waiting import eventually

SUPERVISE = Person("org-scenario", "干部监督", "Organisation: supervision", ("ORG.supervise",), everywhere=True)
COLLEAGUE = Person("org-colleague", "干部监督二", "Organisation: a colleague", ("ORG.supervise",), everywhere=True)
DISCIPLINE = Person("disc-scenario", "纪委监委", "Discipline", ("DISC",), everywhere=True)
COLLEAGUE_OF_DISCIPLINE = Person("disc-colleague", "纪委监委二", "Discipline: a colleague", ("DISC",), everywhere=True)
COMMITTEE = Person("comm-scenario", "部务会", "Committee", ("COMM",), everywhere=True)
CADRES = Person("org-cadres", "干部处", "Organisation: cadres", ("ORG.cadre",), everywhere=True)
MEDIA = Person("media-scenario", "宣传部", "Publicity", ("MEDIA",), everywhere=True)
EDU = Person("org-edu", "干部教育", "Organisation: training", ("ORG.edu",), everywhere=True)
TRAINER = Person("school-trainer", "党校教员", "Trainer", ("TRAINER",), everywhere=True)


class People:
    """Acts for people, each with a token of the city's own issuer, and waits for what follows."""

    def __init__(self, city: City) -> None:
        self.city = city

    def member(self, unit: str, place: int, subject: str) -> Person:
        """Return a cadre of a unit, by name: its head is at place 0, deputies come next."""
        code = cast.unit_code(unit)
        known = cast.staff(code)[place]
        found = self.get(cast.ROSTER, "assessment", f"/cadres?unit={code}&name={known.name}")["items"]
        cadre = next(str(each["id"]) for each in found if each["post"] == known.post)
        return Person(subject, known.name, subject, ("CADRE",), code, cadre)

    def token(self, who: Person) -> str:
        units = None if who.everywhere else who.units
        return self.city.token(who.subject, who.roles, units=units, unit=who.unit, person=who.cadre)

    def get(self, who: Person, service: str, path: str) -> Any:
        answer = self.city.request("GET", service, path, self.token(who))
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def post(self, who: Person, service: str, path: str, version: str | None = None, **body: Any) -> Any:
        answer = self._post(who, service, path, version, body)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def take(self, who: Person, service: str, path: str, action: str, **body: Any) -> Any:
        """Have `who` take a step on a case; if it moved on meanwhile, once more."""
        answer = self._take(who, service, path, action, body)
        assert answer.ok, f"{path}/{action}: {answer.text}"
        return answer.json()

    def refused(self, who: Person, service: str, path: str, action: str | None = None, **body: Any) -> Any:
        """Have `who` open a case, or take a step on one, in vain; return the problem that they are told."""
        answer = self._take(who, service, path, action, body) if action else self._post(who, service, path, None, body)
        assert answer.headers["Content-Type"] == "application/problem+json", f"{path}/{action}: {answer.text}"
        return answer.json()

    def _post(
        self, who: Person, service: str, path: str, version: str | None, body: Mapping[str, Any]
    ) -> requests.Response:
        headers = {"Idempotency-Key": str(uuid4())} | ({"If-Match": version} if version else {})
        return self.city.request("POST", service, path, self.token(who), headers, json=body)

    def _take(self, who: Person, service: str, path: str, action: str, body: Mapping[str, Any]) -> requests.Response:
        for again in (True, False):
            version = self.city.request("GET", service, path, self.token(who)).headers["ETag"]
            answer = self._post(who, service, f"{path}/{action}", version, body)
            if not (again and answer.status_code == 412):
                break
        return answer

    def upload(self, who: Person, service: str, path: str, content: bytes, name: str = "材料.pdf") -> Any:
        """Store a file; return what is said of it, as its SHA-256 sum."""
        headers = {"Idempotency-Key": str(uuid4())}
        file = (name, content, mimetypes.guess_type(name)[0])
        answer = self.city.request("POST", service, path, self.token(who), headers, files={"file": file})
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def at(self, instant: str, *, back: bool = False, wait: bool = False) -> None:
        """Set the city's clock."""
        flags = (["--back"] if back else []) + ([] if wait else ["--no-wait"])
        done = self.city.command("clock", "set", instant, "--running", *flags)
        assert done.returncode == 0, done.stdout + done.stderr

    def until(self, look: Callable[[], Any], what: str) -> Any:
        return eventually(look, within=60, every=0.2, what=what)

    def sign(self, who: Person, ref: str, document: str) -> None:
        """Have `who` open and sign the document about `ref` as soon as it arrives."""

        def arrived() -> Any:
            items = self.get(who, "notification", f"/deliveries?ref={ref}")["items"]
            return [each for each in items if each["document"] == document and each["state"] == "SENT"]

        (delivery, *_) = self.until(arrived, f"{document} arrives")
        path = f"/deliveries/{delivery['id']}"
        self.take(who, "notification", path, "open")
        self.take(who, "notification", path, "sign")

    def recorded_finding(
        self, who: Person, facts: str, occurred_on: str, direct: Person | None = None, **changes: Any
    ) -> str:
        """Have a finding of severity 3 recorded, which nobody was told of yet; return its id.

        `who` is held responsible in the lead, `direct`, if there is one, in direct charge.
        """
        responsible = {"LEAD": who} | ({"DIRECT": direct} if direct else {})
        digest = self.upload(cast.INSPECTOR, "supervision", "/evidence", f"%PDF-1.7 {facts}".encode())["sha256"]
        form: dict[str, Any] = {
            "source": "AUDIT",
            "unit": who.unit,
            "type": "TASK_NOT_IMPLEMENTED",
            "reason_codes": ["WEAK_EXECUTION"],
            "facts": facts,
            "severity": 3,
            "occurred_on": occurred_on,
            "responsible": [{"cadre": person.cadre, "role": role} for role, person in responsible.items()],
            "evidence": [digest],
        }
        return str(self.post(cast.INSPECTOR, "supervision", "/findings", **form | changes)["id"])

    def verified_finding(
        self, who: Person, facts: str, occurred_on: str, direct: Person | None = None, **changes: Any
    ) -> str:
        """Have a finding recorded, served, answered by all who are held responsible, and verified; return its id."""
        finding = self.recorded_finding(who, facts, occurred_on, direct, **changes)
        path = f"/findings/{finding}"
        self.take(cast.INSPECTOR, "supervision", path, "notify")
        responsible = [who] + ([direct] if direct else [])
        for person in responsible:
            self.sign(person, f"finding/{finding}", "FINDING_NOTICE")
        self.until(lambda: self.get(cast.FIRST, "supervision", path)["served_on"], "the finding is served")
        for person in responsible:
            self.take(person, "supervision", path, "plea", text="陈述(虚构)。")
        for officer in (cast.FIRST, cast.SECOND):
            self.take(officer, "supervision", path, "verify", reason="属实(虚构)")
        return finding

    def sanctioned(self, who: Person, kind: str, day: str, regime: str = "GOV") -> Any:
        """Have a sanction that was decided on a day entered, and confirmed by another of the commission; return it."""
        entered = self.post(
            DISCIPLINE,
            "supervision",
            "/sanctions",
            cadre=who.cadre,
            regime=regime,
            kind=kind,
            organ="DISC",
            decision_no=f"黄纪〔{day}〕{regime}",
            legal_basis="《公职人员政务处分法》第八条",
            conduct_on="2023-11-20",
            decided_on=day,
        )
        return self.take(COLLEAGUE_OF_DISCIPLINE, "supervision", f"/sanctions/{entered['id']}", "confirm")

    def admonished(self, who: Person, cause: str) -> str:
        """Have an admonition proposed, approved by the committee, and signed by the cadre; return its id."""
        made = self.post(
            SUPERVISE,
            "supervision",
            "/measures",
            kind="ADMONISH",
            cadre=who.cadre,
            findings=[],
            reason_codes=["WEAK_EXECUTION"],
            cause=cause,
        )["id"]
        path = f"/measures/{made}"
        self.take(COMMITTEE, "supervision", path, "approve", reason="同意(虚构)")
        self.sign(who, f"measure/{made}", "MEASURE_NOTICE")
        self.until(lambda: self.get(SUPERVISE, "supervision", path)["state"] == "DELIVERED", "it is delivered")
        return str(made)

    def gate(self, who: Person, day: str, purpose: str = "PROMOTE") -> list[tuple[str, str | None]]:
        """Return what the selection gate has against a promotion, or another purpose, as of a day: each code, and until when."""
        found = self.get(CADRES, "incentive", f"/gate/{who.cadre}?purpose={purpose}&as_of={day}")
        return [(each["code"], each["until"]) for each in found["reasons"]]

    def constraints(self, who: Person, year: int) -> list[tuple[str, str, str | None]]:
        """Return what binds a cadre's grade of a year: kind, reason and grade of each constraint."""
        found = self.get(cast.RECORDS, "assessment", f"/cadres/{who.cadre}/constraints?year={year}")
        return [(each["kind"], each["reason_code"], each["grade"]) for each in found["constraints"]]

    def drafted(self, lead: Person, finding: str, **changes: Any) -> str:
        """Have the lead write an application for tolerance of a finding; return the case's id."""
        digest = self.upload(lead, "incentive", "/evidence", f"%PDF-1.7 minutes about {finding}".encode())["sha256"]
        form = {
            "applicant": "CADRE",
            "circumstance": 2,
            "statement": "先行先试,经集体研究(虚构)。",
            "evidence": [digest],
        }
        return str(self.post(lead, "incentive", "/tolerance-cases", finding=finding, **form | changes)["id"])

    def open_class(self, title: str, starts: str) -> str:
        """Have a training class of a day opened; return its id."""
        form = {"title": title, "place": "市委党校", "starts": starts, "capacity": 30, "trainers": [TRAINER.subject]}
        made = self.post(EDU, "supervision", "/training-classes", **form)["id"]
        self.take(EDU, "supervision", f"/training-classes/{made}", "open")
        return str(made)

    def filed(self, lead: Person, finding: str) -> str:
        """Have the lead ask for tolerance of a finding; return the case's id."""
        made = self.drafted(lead, finding)
        self.take(lead, "incentive", f"/tolerance-cases/{made}", "file")
        return made

    def verifying(self, tolerance: str) -> None:
        """Have a tolerance case accepted and given to the two verifiers."""
        path = f"/tolerance-cases/{tolerance}"
        self.take(cast.ACCEPTOR, "incentive", path, "accept")
        verifiers = [
            {"subject": each.subject, "cadre": self.city.told["ids"][f"verifier-{n}"]}
            for n, each in enumerate(cast.VERIFIERS, start=1)
        ]
        self.take(cast.ACCEPTOR, "incentive", path, "assign", verifiers=verifiers)

    def verified(self, tolerance: str, *exclusions: str) -> Any:
        """Have both verifiers score a tolerance case, and name what excludes it; return the case."""
        path = f"/tolerance-cases/{tolerance}"
        for verifier in cast.VERIFIERS:
            found = {"factors": dict(story.SCORES), "exclusions": list(exclusions), "reason": "核实(虚构)"}
            case = self.take(verifier, "incentive", path, "verify", **found)
        return case

    def panel(self, decision: str) -> dict[str, Any]:
        """Return the form of a decision for which six of a panel of seven voted, the last one otherwise."""
        votes = [decision] * 6 + ["MITIGATE" if decision == "DENY" else "DENY"]
        members = [
            {"subject": f"panel-{n}", "cadre": self.city.told["ids"][f"panel-{n}"], "vote": vote}
            for n, vote in enumerate(votes, start=1)
        ]
        return {"decision": decision, "panel": members, "reason": "程序规范(虚构)"}

    def mitigated(self, lead: Person, finding: str, decided_at: str, served_at: str) -> str:
        """Have the lead ask, two verify, six of a panel of seven vote for mitigation, and the decision served.

        The city's clock is set to either instant on the way. Returns the case's id.
        """
        made = self.filed(lead, finding)
        path = f"/tolerance-cases/{made}"
        self.verifying(made)
        self.verified(made)
        self.at(decided_at)
        for recorder in cast.RECORDERS:
            self.take(recorder, "incentive", path, "decide", **self.panel("MITIGATE"))
        self.at(served_at)
        self.sign(lead, f"tolerance/{made}", "TOLERANCE_DECISION")
        self.until(lambda: self.get(cast.ACCEPTOR, "incentive", path)["state"] == "SERVED", "the decision is served")
        return made

    def approved_bulletin(self, finding: str, **changes: Any) -> str:
        """Have a bulletin about a finding drafted and approved by the three offices; return its id."""
        form = {
            "named": False,
            "channels": ["NEWSPAPER"],
            "title": "关于重点任务的通报(虚构)",
            "text": "一单位在重点任务中落实不力(虚构)。",
            "legal_basis": "中华人民共和国政府信息公开条例",
        }
        made = self.post(SUPERVISE, "supervision", "/bulletins", findings=[finding], **form | changes)["id"]
        path = f"/bulletins/{made}"
        self.take(SUPERVISE, "supervision", path, "submit")
        self.take(DISCIPLINE, "supervision", path, "approve-discipline")
        self.take(COLLEAGUE, "supervision", path, "approve-organisation")
        self.take(MEDIA, "supervision", path, "approve-media")
        return str(made)

    def events(self, service: str, subject: str) -> list[dict[str, Any]]:
        """Return what a service published about a subject, oldest first."""
        rows = self.city.rows(
            service,
            "SELECT convert_from(body, 'UTF8') AS body FROM outbox_messages"
            " WHERE subject = :subject AND exchange = 'city.events' ORDER BY position",
            subject=subject,
        )
        return [json.loads(row.body) for row in rows]
