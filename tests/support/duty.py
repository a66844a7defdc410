"""What the tests of duty lists share: forms, people of several offices, and a client of the API that sends commands."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from assessment.application.case_types import case_types
from assessment.entrypoints.http import blueprints
from assessment.entrypoints.problems import PROBLEMS
from assessment.persistence.models import CadreRow
from citybus import deadlines
from citybus.cases import Actor, Past, Step
from citybus.cases.timers import handlers
from citybus.http import Tokens, create_app
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from tests.support.assessment import MONDAY, City, cadre_row, id_number, roster, rulebook

OWN, ORG_UNIT, DISC_UNIT, SUPO_UNIT, SECTOR_UNIT = "D-1", "D-ORG", "D-DISC", "D-SUPO", "D-SECTOR"
OFFICES = {"ORG": ORG_UNIT, "DISC": DISC_UNIT, "SUPO": SUPO_UNIT, "SECTOR": SECTOR_UNIT}
ASSESSOR = {"sub": "assessor", "roles": ["ORG.assess"], "scope": {"units": "*", "unit": ORG_UNIT}}
COMMITTEE = {"sub": "committee", "roles": ["COMM"], "scope": {"units": "*", "unit": "D-COMM"}}
HEAD = {"sub": "head", "roles": ["UNITHEAD"], "scope": {"units": [OWN], "unit": OWN}}
ITEMS = (
    ("GOAL", "60", "固定资产投资增长"),
    ("FUNCTION", "25", "审批事项办结"),
    ("PROBLEM", "15", "整改巡察反馈问题"),
)


def items(weights: Sequence[str] = ("60", "25", "15"), **changes: Any) -> list[dict[str, Any]]:
    """Return the items of a complete list as a request has them, each with `changes`."""
    return [
        {
            "title": title,
            "source": source,
            "measure": "按月统计",
            "target": "100%",
            "due": "2024-12-20",
            "weight": weight,
        }
        | changes
        for (source, _, title), weight in zip(ITEMS, weights, strict=True)
    ]


def roster_of_offices() -> bytes:
    """Return a roster: the owner and a colleague in one unit, and a reviewer in each of four other units."""
    units = [[code, f"黄石市{code}", "市直部门", "政府系统"] for code in (OWN, *OFFICES.values())]
    people = [(OWN, "甲"), (OWN, "乙"), *zip(OFFICES.values(), "丙丁戊己", strict=True)]
    rows = [
        cadre_row(unit=unit, id_no=id_number(date(1970, 1, 1 + number)), name=f"赵{name}（虚构）")
        for number, (unit, name) in enumerate(people)
    ]
    return roster(units, rows)


def person(cadre: str, unit: str, *roles: str) -> dict[str, Any]:
    """Return the claims of a cadre; reviewers see the whole city."""
    units: Any = "*" if "REVIEWER" in roles else []
    return {
        "sub": f"user-{cadre}",
        "roles": list(roles or ("CADRE",)),
        "scope": {"units": units, "unit": unit, "person": cadre},
    }


class Clerk:
    """Speaks to the API of a city as anybody whose claims are given."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.issuer = FakeIssuer()
        app = create_app(
            service="assessment",
            version="1",
            units=city.units,
            tokens=Tokens(self.issuer, issuer=ISSUER, audience=AUDIENCE),
            blueprints=blueprints(rulebook(), city.vault),
            own_problems=PROBLEMS,
        )
        self.client: FlaskClient = app.test_client()

    def get(self, who: Any, path: str) -> TestResponse:
        return self.client.get(path, headers=self._token(who))

    def post(self, who: Any, path: str, body: Any = None, **headers: str) -> TestResponse:
        sent = {**self._token(who), "Idempotency-Key": str(uuid4()), **headers}
        return self.client.post(path, json={} if body is None else body, headers=sent)

    def take(self, who: Any, path: str, action: str, body: Any = None) -> TestResponse:
        """Take a step on the case at `path`, as it is now."""
        version = self.get(COMMITTEE, path).headers["ETag"]
        return self.post(who, f"{path}/{action}", body, **{"If-Match": version})

    def done(self, who: Any, path: str, action: str, body: Any = None) -> Any:
        """Take a step and return the case."""
        answer = self.take(who, path, action, body)
        assert answer.status_code == 200, answer.json
        return answer.json

    def take_as(self, who: Any, path: str, action: str, body: Any = None) -> tuple[int, str | None]:
        """Take a step, or try to; return the status and the code of the refusal, None where there is none."""
        answer = self.take(who, path, action, body)
        return answer.status_code, None if answer.status_code == 200 else answer.json["code"]

    def refused(self, who: Any, path: str, action: str, body: Any = None) -> tuple[int, str]:
        """Try a step that is refused; return the status and the code."""
        answer = self.take(who, path, action, body)
        assert answer.content_type == "application/problem+json", answer.json
        return answer.status_code, answer.json["code"]

    def cadres(self) -> dict[str, list[str]]:
        """Return unit → ids of its cadres by name."""
        found: dict[str, list[str]] = {}
        for row in sorted(self.city.rows(CadreRow.__table__), key=lambda row: row.name):
            found.setdefault(row.unit, []).append(row.id)
        return found

    def fire(self) -> None:
        """Fire the deadlines that are due."""
        tally = deadlines.fire_due(self.city.units, handlers(case_types(rulebook())))
        assert not tally.failed

    def _token(self, who: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(**who)}"}


# ---- the rules alone


def item(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an item as a list keeps it."""
    source = ("GOAL", "FUNCTION", "PROBLEM")[number % 3]
    made = {
        "id": f"item-{number}",
        "title": f"任务{number}",
        "source": source,
        "measure": "按月统计",
        "target": "100%",
        "due": "2024-12-20",
        "weight": ("60", "25", "15")[number % 3],
        "key_project": None,
        "indicator": None,
    }
    return made | changes


def a_list(**changes: Any) -> SimpleNamespace:
    """Return a complete draft of a cadre's duty list for 2024."""
    made = {
        "id": "d1",
        "state": "DRAFT",
        "owner_kind": "CADRE",
        "owner": "cadre-1",
        "unit": OWN,
        "year": 2024,
        "kind": "DUTY",
        "items": [item(number) for number in range(3)],
        "round": 1,
        "list_version": 0,
        "cosigned_by": "head",
        "submitted_on": None,
        "late": False,
        "approved_on": None,
        "locked_on": None,
        "closed_on": None,
        "review": None,
        "amendments": 0,
        "amendment": None,
    }
    return SimpleNamespace(**made | changes)


def a_cadre(**changes: Any) -> SimpleNamespace:
    """Return a registered cadre."""
    made = {
        "id": "cadre-1",
        "state": "ACTIVE",
        "name": "赵甲（虚构）",
        "birth": date(1980, 3, 15),
        "unit": OWN,
        "post": "副局长",
        "post_since": date(2019, 5, 1),
        "rank": "COUNTY_DEPUTY",
        "manage_level": "CITY",
        "categories": ["CIVIL_SERVANT"],
        "effective_on": date(2019, 5, 1),
    }
    return SimpleNamespace(**made | changes)


def an_indicator(**changes: Any) -> SimpleNamespace:
    """Return an active indicator of 2024."""
    made = {
        "id": "i1",
        "state": "ACTIVE",
        "year": 2024,
        "code": "PROV-01",
        "title": "地区生产总值增长率",
        "level": "PROV",
        "unit_of_measure": "%",
        "target": Decimal("7.0"),
        "baseline": Decimal("6.2"),
        "lead_unit": OWN,
        "co_units": [ORG_UNIT],
    }
    return SimpleNamespace(**made | changes)


def member(capacity: str, verdict: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return a member of a review as it keeps one."""
    made = {
        "cadre": f"member-{capacity}",
        "unit": OFFICES.get(capacity, "D-OTHER"),
        "capacity": capacity,
        "mandatory": capacity in OFFICES,
        "verdict": verdict,
        "given_on": None,
        "late": False,
    }
    return made | changes


def a_review(*verdicts: str | None, **changes: Any) -> SimpleNamespace:
    """Return a review whose mandatory members gave `verdicts`."""
    given = [*verdicts, *[None] * (len(OFFICES) - len(verdicts))]
    made = {
        "id": "r1",
        "state": "COLLECTING",
        "duty_list_id": "d1",
        "round": 1,
        "amendment": False,
        "unit": OWN,
        "owner_kind": "CADRE",
        "owner": "cadre-1",
        "members": [member(office, verdict) for office, verdict in zip(OFFICES, given, strict=True)],
        "due_on": date(2024, 3, 18),
        "conclusion": None,
        "concluded_on": None,
    }
    return SimpleNamespace(**made | changes)


def step(
    case: Any,
    form: Mapping[str, Any] | None = None,
    *,
    facts: Any = None,
    day: date | None = None,
    actor: Actor | None = None,
    history: Sequence[Past] = (),
) -> Step:
    """Return a step on `case` on `day`, under the rules of that day."""
    at = MONDAY if day is None else MONDAY.replace(year=day.year, month=day.month, day=day.day)
    return Step(
        case=case,
        action="test",
        actor=actor or Actor("somebody"),
        at=at,
        rules=rulebook().on(at.date()),
        form=form or {},
        facts=facts,
        history=history,
    )


def weighted(*weights: str) -> list[dict[str, Any]]:
    """Return items of these weights, one of each source at least where there are three."""
    return [item(number, weight=str(Decimal(weight))) for number, weight in enumerate(weights)]
