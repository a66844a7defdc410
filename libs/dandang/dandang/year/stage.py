"""What a line of the year acts through: HTTP as its people. Every answer is kept, so that an interrupted year goes on."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from dandang.local.state import RunFolder
from dandang.slice.api import Api, Refused, SliceFailed, patiently, wait_for
from dandang.slice.cast import Person

EVIDENCE: Final = b"%PDF-1.7\n% made up for the year of the sample city: "


@dataclass(frozen=True, slots=True)
class Case:
    """A case that a line deals with: where it is kept, and its id."""

    service: str
    collection: str
    id: str

    @property
    def path(self) -> str:
        """The path of the case in its service."""
        return f"/{self.collection}/{self.id}"


@dataclass(frozen=True, slots=True)
class Protagonist:
    """Somebody, or a group, whose year is told at the end: who, why, and the cases with somebody who may read each."""

    name: str
    zh: str
    en: str
    cases: tuple[tuple[Case, Person], ...]


class Stage:
    """The running city as the lines see it. `file` keeps every answer that a line was given, line by line."""

    def __init__(self, run: RunFolder, file: Path, year_id: UUID) -> None:
        self.run = run
        self.id = year_id
        self._local = threading.local()
        self._file = file
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}
        self.protagonists: dict[tuple[str, str], Protagonist] = {}
        for line in _whole_lines(file):
            kept = json.loads(line)
            self._kept[kept["step"]] = kept["answer"]

    @property
    def api(self) -> Api:
        """The APIs, with a connection pool of this thread's own."""
        if not hasattr(self._local, "api"):
            self._local.api = Api(self.run)
        found: Api = self._local.api
        return found

    def keep(self, step: str, make: Callable[[], Any]) -> Any:
        """Return the answer of a step: the kept one where it was taken before, else what `make` returns, kept."""
        if step not in self._kept:
            answer = make()
            with self._lock:
                self._kept[step] = answer
                with open(self._file, "a", encoding="utf-8") as output:
                    output.write(json.dumps({"step": step, "answer": answer}, ensure_ascii=False) + "\n")
        return self._kept[step]

    @property
    def steps(self) -> int:
        """How many steps are kept."""
        return len(self._kept)


def _whole_lines(file: Path) -> list[str]:
    """Return the lines of a file; the last one is taken away where it was cut off: what it told is asked for again."""
    if not file.exists():
        return []
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        file.write_bytes(whole)
    return whole.decode().splitlines()


@dataclass
class Line:
    """One line's hand on the stage. Steps are numbered, so a line must do the same each time it is played."""

    stage: Stage
    name: str
    _taken: int = field(default=0, init=False)
    _wanted: str = field(default="", init=False)
    """The code with which the next step is to be refused: nobody waits for that to go away."""

    def open(self, who: Person, service: str, collection: str, **body: Any) -> Case:
        """Have `who` open a case. Raises Refused."""
        return Case(service, collection, str(self.post(who, service, f"/{collection}", **body)["id"]))

    def post(
        self, who: Person, service: str, path: str, *, file: tuple[str, bytes, str] | None = None, **body: Any
    ) -> Any:
        """Have `who` send a command that is about no case of its own, and return the answer. Raises Refused."""

        def send(step: str) -> Any:
            return patiently(
                lambda: self.stage.api.post(
                    who, service, path, None if file else body, key=step, correlation=self._correlation, file=file
                ),
                wanted=self._wanted,
            ).content

        return self._step(send)

    def take(self, who: Person, case: Case, action: str, **form: Any) -> Any:
        """Have `who` take a step on a case, and return how the case is then. Raises Refused."""
        return self._take(who, case, action, form, None)

    def _take(self, who: Person, case: Case, action: str, form: Mapping[str, Any], as_read: int | None) -> Any:
        """Do `take`; `as_read` is the version that `who` has read just now, None where it is to be read."""

        def send(step: str) -> Any:
            known = as_read

            def attempt() -> Any:
                nonlocal known
                version = f'"{known}"' if known else self.stage.api.get(who, case.service, case.path).version
                known = None  # if it is stale, it is read again
                return self.stage.api.post(
                    who,
                    case.service,
                    f"{case.path}/{action.replace('_', '-')}",
                    form,
                    key=step,
                    version=version,
                    correlation=self._correlation,
                )

            return patiently(attempt, wanted=self._wanted).content

        return self._step(send)

    def refused(self, code: str, attempt: Callable[[], Any]) -> Mapping[str, Any]:
        """Have something refused with `code`: `attempt` sends it through this line. Raises SliceFailed if it is not."""
        self._taken += 1
        step = self._name()

        def send() -> Any:
            self._wanted = code
            try:
                attempt()
            except Refused as refused:
                if refused.code != code:
                    raise
                return {"code": code, "told": str(refused)}
            finally:
                self._wanted = ""
            raise SliceFailed(f"{self.name}: 应被拒绝 / should have been refused: {code}")

        found: Mapping[str, Any] = self.stage.keep(step, send)
        # What was refused took numbers of its own when it was tried, which nobody kept.
        self._taken = int(step.rpartition(":")[2]) + 10
        return found

    def ask(self, who: Person, service: str, path: str, **query: Any) -> Any:
        """Return what `who` reads now. Raises Refused."""
        return self._step(lambda _: patiently(lambda: self.stage.api.get(who, service, path, **query)).content)

    def look(self, who: Person, case: Case) -> Any:
        """Return a case as `who` sees it now. Raises Refused."""
        return self.ask(who, case.service, case.path)

    def until(self, who: Person, case: Case, reached: Callable[[Any], Any], what: str) -> Any:
        """Wait until a case is as it should be, and return it. Raises SliceFailed."""

        def look() -> Any:
            found = patiently(lambda: self.stage.api.get(who, case.service, case.path)).content
            return found if reached(found) else None

        return self._step(lambda _: wait_for(look, f"{self.name}: {what} ({case.collection})"))

    def reaches(self, who: Person, case: Case, *states: str) -> Any:
        """Wait until a case is in one of `states`, and return it. Raises SliceFailed."""
        return self.until(who, case, lambda found: found["state"] in states, "/".join(states))

    def listed(self, who: Person, service: str, path: str, wanted: Callable[[Any], bool], **query: Any) -> Any:
        """Wait until a list has an entry that is wanted, and return the first. Raises SliceFailed."""

        def look() -> Any:
            found = patiently(lambda: self.stage.api.get(who, service, path, **query)).content["items"]
            return next((each for each in found if wanted(each)), None)

        return self._step(lambda _: wait_for(look, f"{self.name}: {path} {query}"))

    def evidence(self, who: Person, service: str, about: str) -> str:
        """Have `who` store a file of evidence; return its SHA-256 sum. Raises Refused."""
        file = ("材料(虚构).pdf", EVIDENCE + about.encode(), "application/pdf")
        return str(self.post(who, service, "/evidence", file=file)["sha256"])

    def sign(self, who: Person, about: Case, document: str) -> Case:
        """Have `who` open and sign the document about a case as soon as it arrives, and return its delivery."""
        found = self._received(who, about, document)
        delivery = Case("notification", "deliveries", str(found["id"]))
        opened = self._take(who, delivery, "open", {}, found["version"])
        self._take(who, delivery, "sign", {}, opened["version"])
        return delivery

    def receive(self, who: Person, about: Case, document: str) -> Case:
        """Wait until the document about a case is in the inbox of `who`, and return its delivery."""
        return Case("notification", "deliveries", str(self._received(who, about, document)["id"]))

    def _received(self, who: Person, about: Case, document: str) -> Any:
        kind = KINDS[about.collection]
        return self.listed(
            who,
            "notification",
            "/deliveries",
            lambda each: each["document"] == document and each["state"] == "SENT",
            ref=f"{kind}/{about.id}",
        )

    def tell(self, zh: str, en: str, *cases: tuple[Case, Person]) -> None:
        """Have the year of whom this line is about told at the end, from these cases, each read by somebody who may."""
        self.stage.protagonists[self.name, zh] = Protagonist(self.name, zh, en, cases)

    def _step(self, make: Callable[[str], Any]) -> Any:
        self._taken += 1
        step = self._name()
        return self.stage.keep(step, lambda: make(step))

    def _name(self) -> str:
        return f"year:{self.stage.id}:{self.name}:{self._taken}"

    @property
    def _correlation(self) -> str:
        return str(uuid5(self.stage.id, self.name))


KINDS: Final[Mapping[str, str]] = {
    "findings": "finding",
    "recalls": "recall",
    "measures": "measure",
    "sanctions": "sanction",
    "adjustments": "adjustment",
    "rectifications": "rectification",
    "tolerance-cases": "tolerance",
    "annuals": "annual",
    "appeals": "appeal",
    "corrections": "correction",
    "signals": "signal",
    "informant-accesses": "informant-access",
}
"""What a subject is called after, by the collection that its case is kept in."""
