"""How the people of a scenario act on a running city: through its HTTP APIs, on the days that the scenario gives."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

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
        units = None if who.everywhere else ()
        return self.city.token(who.subject, who.roles, units=units, unit=who.unit, person=who.cadre)

    def get(self, who: Person, service: str, path: str) -> Any:
        answer = self.city.request("GET", service, path, self.token(who))
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def post(self, who: Person, service: str, path: str, version: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": str(uuid4())} | ({"If-Match": version} if version else {})
        answer = self.city.request("POST", service, path, self.token(who), headers, json=body)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def take(self, who: Person, service: str, path: str, action: str, **body: Any) -> Any:
        """Have `who` take a step on a case; if it moved on meanwhile, once more."""
        for again in (True, False):
            version = self.city.request("GET", service, path, self.token(who)).headers["ETag"]
            headers = {"Idempotency-Key": str(uuid4()), "If-Match": version}
            answer = self.city.request("POST", service, f"{path}/{action}", self.token(who), headers, json=body)
            if not (again and answer.status_code == 412):
                break
        assert answer.ok, f"{path}/{action}: {answer.text}"
        return answer.json()

    def upload(self, who: Person, service: str, path: str, content: bytes, media_type: str = "application/pdf") -> str:
        """Store a file and return its SHA-256 sum."""
        headers = {"Idempotency-Key": str(uuid4())}
        file = ("材料.pdf", content, media_type)
        answer = self.city.request("POST", service, path, self.token(who), headers, files={"file": file})
        assert answer.ok, f"{path}: {answer.text}"
        return str(answer.json()["sha256"])

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

    def verified_finding(self, who: Person, facts: str, occurred_on: str, direct: Person | None = None) -> str:
        """Have a finding of severity 3 recorded, served, answered and verified; return its id.

        `who` is held responsible in the lead, `direct`, if there is one, in direct charge.
        """
        responsible = {"LEAD": who} | ({"DIRECT": direct} if direct else {})
        digest = self.upload(cast.INSPECTOR, "supervision", "/evidence", f"%PDF-1.7 {facts}".encode())
        finding = self.post(
            cast.INSPECTOR,
            "supervision",
            "/findings",
            source="AUDIT",
            unit=who.unit,
            type="TASK_NOT_IMPLEMENTED",
            reason_codes=["WEAK_EXECUTION"],
            facts=facts,
            severity=3,
            occurred_on=occurred_on,
            responsible=[{"cadre": person.cadre, "role": role} for role, person in responsible.items()],
            evidence=[digest],
        )["id"]
        path = f"/findings/{finding}"
        self.take(cast.INSPECTOR, "supervision", path, "notify")
        for person in responsible.values():
            self.sign(person, f"finding/{finding}", "FINDING_NOTICE")
        self.until(lambda: self.get(cast.FIRST, "supervision", path)["served_on"], "the finding is served")
        for person in responsible.values():
            self.take(person, "supervision", path, "plea", text="陈述(虚构)。")
        for officer in (cast.FIRST, cast.SECOND):
            self.take(officer, "supervision", path, "verify", reason="属实(虚构)")
        return str(finding)

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

    def mitigated(self, lead: Person, finding: str, decided_at: str, served_at: str) -> str:
        """Have the lead ask, two verify, six of a panel of seven vote for mitigation, and the decision served.

        The city's clock is set to either instant on the way. Returns the case's id.
        """
        ids = self.city.told["ids"]
        digest = self.upload(lead, "incentive", "/evidence", f"%PDF-1.7 minutes about {finding}".encode())
        made = self.post(
            lead,
            "incentive",
            "/tolerance-cases",
            finding=finding,
            applicant="CADRE",
            circumstance=2,
            statement="先行先试,经集体研究(虚构)。",
            evidence=[digest],
        )["id"]
        path = f"/tolerance-cases/{made}"
        self.take(lead, "incentive", path, "file")
        self.take(cast.ACCEPTOR, "incentive", path, "accept")
        verifiers = [
            {"subject": each.subject, "cadre": ids[f"verifier-{n}"]} for n, each in enumerate(cast.VERIFIERS, start=1)
        ]
        self.take(cast.ACCEPTOR, "incentive", path, "assign", verifiers=verifiers)
        for verifier in cast.VERIFIERS:
            self.take(
                verifier, "incentive", path, "verify", factors=dict(story.SCORES), exclusions=[], reason="核实(虚构)"
            )
        self.at(decided_at)
        votes = ["MITIGATE"] * 6 + ["DENY"]
        panel = [
            {"subject": f"panel-{n}", "cadre": ids[f"panel-{n}"], "vote": vote} for n, vote in enumerate(votes, start=1)
        ]
        for recorder in cast.RECORDERS:
            self.take(recorder, "incentive", path, "decide", decision="MITIGATE", panel=panel, reason="程序规范(虚构)")
        self.at(served_at)
        self.sign(lead, f"tolerance/{made}", "TOLERANCE_DECISION")
        self.until(lambda: self.get(cast.ACCEPTOR, "incentive", path)["state"] == "SERVED", "the decision is served")
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
