"""Who plays the slice: officers, those concerned, verifiers and a panel, all fictitious people of the sample city."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from dandang.sample import SampleCadre, SampleCity, sample_city


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts: `subject` is the staff id of the token, `cadre` the id on the roster where that is needed.

    `everywhere` says that the data scope is the whole city; else it is `units`.
    """

    subject: str
    zh: str
    en: str
    roles: tuple[str, ...]
    unit: str | None = None
    cadre: str | None = None
    everywhere: bool = False
    units: tuple[str, ...] = ()

    def known_as(self, cadre: str) -> "Person":
        """Return the same person with the id that the roster gave."""
        return replace(self, cadre=cadre)


BUREAU_NAME: Final = "黄石市发展和改革委员会"
"""The unit that is inspected."""


@cache
def city() -> SampleCity:
    """Return the sample city."""
    return sample_city()


def unit_code(name: str) -> str:
    """Return the code of a unit of the sample city."""
    return next(unit.code for unit in city().units if unit.name == name)


@cache
def staff(unit: str) -> tuple[SampleCadre, ...]:
    """Return the cadres of a unit: its head first, then deputies, then others; who keeps the staff's files comes last."""
    return tuple(cadre for cadre in city().cadres if cadre.unit == unit)


def _officer(subject: str, zh: str, en: str, unit: str | None, *roles: str) -> Person:
    return Person(subject, zh, en, roles, unit and unit_code(unit), everywhere=True)


_OFFICE, _ORGANISATION, _DISCIPLINE = "黄石市委办公室", "黄石市委组织部", "黄石市纪委监委"

ROSTER: Final = _officer("org-roster", "组织部 名册员", "Organisation: roster", _ORGANISATION, "ORG.cadre")
RECORDS: Final = _officer("org-assess", "组织部 考核员", "Organisation: assessment", _ORGANISATION, "ORG.assess")
INSPECTOR: Final = _officer("supo-1", "督查室 督查员甲", "Supervision officer A", _OFFICE, "SUPO")
FIRST: Final = _officer("supo-2", "督查室 督查员乙", "Supervision officer B", _OFFICE, "SUPO")
SECOND: Final = _officer("supo-3", "督查室 督查员丙", "Supervision officer C", _OFFICE, "SUPO")
DIRECTOR: Final = _officer("supo-director", "督查室 主任", "Director of supervision", _OFFICE, "SUPO.director")
ACCEPTOR: Final = _officer(
    "org-tolerance", "组织部 容错受理员", "Organisation: tolerance", _ORGANISATION, "ORG.supervise"
)
VERIFIERS: Final = (
    _officer("disc-verifier", "纪委监委 核实员", "Discipline: verifier", _DISCIPLINE, "DISC"),
    _officer("org-verifier", "组织部 核实员", "Organisation: verifier", _ORGANISATION, "ORG.supervise"),
)
RECORDERS: Final = (
    _officer("org-panel", "组织部 审议组召集人", "Organisation: convenes the panel", _ORGANISATION, "ORG.supervise"),
    _officer("disc-panel", "纪委监委 审议组记录员", "Discipline: records the panel", _DISCIPLINE, "DISC"),
)
PANEL_UNITS: Final = (
    "黄石市教育局",
    "黄石市科学技术局",
    "黄石市财政局",
    "黄石市司法局",
    "黄石市审计局",
    "黄石市商务局",
    "黄石市统计局",
)
"""The units whose heads are the panel."""
DEPARTMENT: Final = Person(
    "dept-finance-bureau", "财政局 信息中心", "Finance Bureau", ("SUBSYS",), unit_code("黄石市财政局")
)
APPROVER: Final = _officer("org-sharing", "组织部 数据共享审批员", "Organisation: sharing", _ORGANISATION, "ORG")
SECURITY: Final = Person("secadm-1", "安全管理员", "Security administrator", ("SECADM",), everywhere=True)


def bureau() -> str:
    """Return the code of the unit that is inspected."""
    return unit_code(BUREAU_NAME)


def concerned() -> tuple[Person, Person]:
    """Return the two who are held responsible, in the lead and in direct charge, not yet known by a roster's id."""
    members = staff(bureau())
    return (
        Person("cadre-lead", f"{members[1].name} 副主任", "Deputy director, in the lead", ("CADRE",), bureau()),
        Person("cadre-direct", f"{members[6].name} {members[6].post}", "In direct charge", ("CADRE",), bureau()),
    )


def people() -> dict[str, tuple[str, str]]:
    """Return the labels, Chinese and English, of everybody by staff id."""
    each: Iterable[Person] = (
        *(ROSTER, RECORDS, INSPECTOR, FIRST, SECOND, DIRECTOR, ACCEPTOR, *VERIFIERS, *RECORDERS),
        *(DEPARTMENT, APPROVER, SECURITY, *concerned()),
    )
    return {person.subject: (person.zh, person.en) for person in each}
