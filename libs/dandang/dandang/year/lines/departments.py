"""Other departments (N2): what each asks to be told, by its purpose and legal basis; refused, suspended, expired."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from dandang.slice import cast, department
from dandang.slice.cast import Person
from dandang.year.play import Days, at
from dandang.year.stage import Case, Line, Stage

AUDITORS: Final = Person(
    department.AUDIT.user, "审计局 电子数据审计科", "Audit Bureau", ("SUBSYS",), cast.unit_code("黄石市审计局")
)
PERSONNEL: Final = Person(
    department.HUMAN_RESOURCES.user,
    "人社局 信息中心",
    "Human Resources Bureau",
    ("SUBSYS",),
    cast.unit_code("黄石市人力资源和社会保障局"),
)
_INSPECTION: Final = ("inspection", "kind", "theme", "units", "state")
_POST: Final = ("cadre", "unit", "post", "post_since", "rank")

BEFORE_WORK: Final = 8
"""The hour at which subscriptions change: what happens on the same day is told to all, or to nobody."""

AUDIT_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "supervision.inspection.started.v1": _INSPECTION,
    "supervision.inspection.closed.v1": _INSPECTION,
    "supervision.finding.verified.v1": ("finding", "inspection", "unit"),
    "supervision.finding.closed.v1": ("finding", "unit"),
    "incentive.tolerance.effective.v1": ("case", "finding", "unit"),
    "assessment.cadre.post-changed.v1": _POST,
}
"""What auditing needs of others: which units were inspected and what was found; of people the posts, and no name."""

PERSONNEL_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "assessment.cadre.post-changed.v1": ("name", *_POST),
    "assessment.cadre.suspended.v1": ("name", "cadre", "unit", "state", "effective_on"),
    "assessment.cadre.reinstated.v1": ("name", "cadre", "unit", "state", "effective_on"),
    "assessment.cadre.left.v1": ("name", "cadre", "unit", "state", "effective_on"),
}
"""What registering civil servants and paying them needs: who holds which post, by name, and nothing of findings."""

AUDIT_TERMS: Final = {
    "department": department.AUDIT.key,
    "purpose": "审计计划与督查检查统筹、领导干部经济责任审计对象核对",
    "legal_basis": "中华人民共和国审计法;党政主要领导干部和国有企事业单位主要领导人员经济责任审计规定",
    "max_class": "L2",
}
PERSONNEL_TERMS: Final = {
    "department": department.HUMAN_RESOURCES.key,
    "purpose": "公务员登记与工资管理",
    "legal_basis": "中华人民共和国公务员法;公务员登记办法",
    "max_class": "L3",
}


def audited(stage: Stage) -> Days:
    """Lead the Audit Bureau's year: too much is asked for, then what is needed; suspended for a week; expired, renewed."""
    line = Line(stage, "department-audit")
    yield at(date(2024, 3, 4), 10)
    more = {**AUDIT_FIELDS, "assessment.cadre.post-changed.v1": ("name", *_POST)}
    line.refused("CLASS_EXCEEDED", lambda: _ask(line, AUDITORS, AUDIT_TERMS, more, "HS-2024-002", date(2024, 11, 25)))
    first = _ask(line, AUDITORS, AUDIT_TERMS, AUDIT_FIELDS, "HS-2024-002", date(2024, 11, 25))
    line.refused("FORBIDDEN", lambda: line.take(AUDITORS, first, "approve", reason="自行批准(虚构)"))
    line.take(cast.APPROVER, first, "approve", reason="用途与目录相符,不含姓名(虚构)")
    yield at(date(2024, 3, 6), BEFORE_WORK)
    line.take(cast.SECURITY, first, "activate", reason="账号与队列已核对(虚构)")
    yield at(date(2024, 7, 1), BEFORE_WORK)
    line.take(cast.SECURITY, first, "suspend", reason="审计局更换信息系统,账号暂停使用(虚构)")
    yield at(date(2024, 7, 8), BEFORE_WORK)
    line.take(cast.SECURITY, first, "resume", reason="新系统已核对(虚构)")
    yield at(date(2024, 11, 26), BEFORE_WORK)
    line.reaches(cast.APPROVER, first, "EXPIRED")
    second = _ask(line, AUDITORS, AUDIT_TERMS, AUDIT_FIELDS, "HS-2024-003", date(2025, 6, 30))
    _agree(line, second)
    line.tell(
        "审计局订阅:要姓名被拒,按需核减后启用;中止一周后恢复,到期后续订",
        "a subscription: a name is refused; suspended and resumed; expired and agreed anew",
        (first, cast.APPROVER),
        (second, cast.APPROVER),
    )


def staffed(stage: Stage) -> Days:
    """Lead the Human Resources Bureau's year: it may have names, since it keeps the register of civil servants."""
    line = Line(stage, "department-personnel")
    yield at(date(2024, 7, 1), BEFORE_WORK)
    terms = {key: value for key, value in PERSONNEL_TERMS.items() if key != "legal_basis"}
    line.refused(
        "LEGAL_BASIS_MISSING",
        lambda: _ask(line, PERSONNEL, terms, PERSONNEL_FIELDS, "HS-2024-004", date(2025, 6, 30)),
    )
    case = _ask(line, PERSONNEL, PERSONNEL_TERMS, PERSONNEL_FIELDS, "HS-2024-004", date(2025, 6, 30))
    yield at(date(2024, 7, 3), BEFORE_WORK)
    _agree(line, case)


def _ask(
    line: Line, who: Person, terms: Mapping[str, Any], wanted: Mapping[str, Sequence[str]], number: str, last: date
) -> Case:
    return line.open(
        who,
        "notification",
        "subscriptions",
        **terms,
        event_types=sorted(wanted),
        fields={event_type: list(fields) for event_type, fields in wanted.items()},
        agreement_no=number,
        valid_to=last.isoformat(),
    )


def _agree(line: Line, case: Case) -> None:
    line.take(cast.APPROVER, case, "approve", reason="用途与目录相符(虚构)")
    line.take(cast.SECURITY, case, "activate", reason="账号与队列已核对(虚构)")


def lines(stage: Stage) -> list[tuple[str, Days]]:
    """Return the lines of the departments. The Finance Bureau's is in the slice."""
    return [("department-audit", audited(stage)), ("department-personnel", staffed(stage))]
