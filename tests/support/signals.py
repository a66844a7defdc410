"""Signals for the tests of supervision: clues as they are posted, and those who post, triage, keep and read."""

from collections.abc import Mapping
from typing import Any, Final

from citybus.cases import Actor
from supervision.application.informant_accesses import identity
from supervision.application.post_signal import post_signal
from tests.support.supervision import BUREAU, CUSTODIAN, DISTRICT, LEAD, ORG, City, officer

AUDITORS: Final = Actor("dept-audit", frozenset({"SUBSYS"}), units=frozenset(), unit="420200-AUDIT")
"""The system of a department, which posts for it."""
PETITIONS: Final = officer("petition-1", "UNITHR", unit="420200-PETITION", units=frozenset())
INFORMANT: Final[Mapping[str, str]] = {"name": "举报人某某", "contact": "13900001234"}


def a_clue(**changes: Any) -> dict[str, Any]:
    """Return a clue about the lead of the bureau; what is None is left out."""
    made = {
        "source": "AUDIT",
        "unit": BUREAU,
        "cadre": LEAD,
        "type": "PROJECT_DELAY",
        "severity": 2,
        "text": "项目进度滞后,资金闲置。",
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


class Signals:
    """Signals in a city."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.cases = city.cases.signals
        self.accesses = city.cases.informant_accesses

    def posted(self, who: Actor = AUDITORS, **changes: Any) -> Any:
        with self.city.acting(who) as uow:
            case = post_signal(self.cases, self.city.vault, uow, who, a_clue(**changes))
            uow.commit()
            return case

    def take(self, case: Any, action: str, actor: Actor = ORG, **form: Any) -> Any:
        return self.city.take(self.cases, case, action, actor, form)[0]

    def triaged(self, who: Actor = AUDITORS, **changes: Any) -> Any:
        return self.take(self.posted(who, **changes), "triage")

    def asked(self, signal: Any, who: Actor = ORG) -> Any:
        return self.city.open(self.accesses, who, {"signal": signal.id, "purpose": "核实线索来源"})

    def granted(self, signal: Any, who: Actor = ORG) -> Any:
        return self.city.take(self.accesses, self.asked(signal, who), "grant", CUSTODIAN)[0]

    def identity(self, access: Any, who: Actor = ORG) -> dict[str, str | None]:
        with self.city.acting(who) as uow:
            found = identity(self.accesses, self.city.vault, uow, access.id, who)
            uow.commit()
            return found


ELSEWHERE: Final = officer("org-elsewhere", "ORG.supervise", unit="420200-ORG", units=frozenset({DISTRICT}))
"""An officer of cadre supervision to whose data scope the bureau does not belong."""
