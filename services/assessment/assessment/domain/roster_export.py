"""Exports of the roster (A1, X8): asked for with a purpose; of more than a hundred persons only with a second officer's word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from statemachine import State, StateMachine

from citybus.cases.declare import Action, Arm, CaseType, Reach, Scope, Step
from citybus.errors import Refusal
from citybus.secrecy import refuse_marked, refuse_marked_reason, with_plain_reasons


class RosterExport(Protocol):
    """What the rules read and change of an export: whom it takes in, how many they were, and whether that needs approval."""

    id: str
    state: str
    purpose: str
    filters: dict[str, Any]
    id_numbers: bool
    count: int
    needs_approval: bool
    requested_by: str


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What was looked up: how many persons the filters take in within the officer's data scope."""

    count: int = 0


class RosterExportMachine(StateMachine):
    """REQUESTED → APPROVED or REFUSED; after some days EXPIRED."""

    REQUESTED = State(initial=True)
    APPROVED = State()
    REFUSED = State(final=True)
    EXPIRED = State(final=True)

    approve = REQUESTED.to(APPROVED)
    refuse = REQUESTED.to(REFUSED)
    expire = REQUESTED.to(EXPIRED) | APPROVED.to(EXPIRED)


def scope(case: RosterExport) -> Scope:
    """Return whom an export concerns: no one unit. What it holds is bound by the data scope of who asked for it."""
    return Scope()


def request(step: Step) -> None:
    """Take over what is asked for. Raises 451 `SECRECY_LEVEL`."""
    case: RosterExport = step.case
    facts: ExportFacts = step.facts
    form = step.form
    case.purpose, case.id_numbers = form["purpose"], form["id_numbers"]
    case.filters = {name: form[name] for name in FILTERS if form.get(name) is not None}
    refuse_marked([case.purpose], step.rules)
    case.requested_by = step.actor.subject
    case.count = facts.count
    case.needs_approval = case.count > step.rule("roster.export.alone")


def approval_needed(step: Step) -> None:
    """Raise 422 `APPROVAL_NOT_NEEDED` for an export of few persons."""
    case: RosterExport = step.case
    if not case.needs_approval:
        raise Refusal(
            "APPROVAL_NOT_NEEDED", zh="该导出无需审批。", en="The export needs no approval.", count=case.count
        )


def may_be_fetched(case: RosterExport, subject: str, count: int, alone: int) -> None:
    """Raise 403 `FORBIDDEN` for another than who asked, 422 `EXPORT_NOT_APPROVED` for more than `alone` persons unapproved."""
    if case.requested_by != subject:
        raise Refusal(
            "FORBIDDEN", zh="仅申请人可以下载。", en="Only who asked for the export may fetch it.", status=403
        )
    few = case.state == "REQUESTED" and not case.needs_approval and count <= alone
    if case.state != "APPROVED" and not few:
        raise Refusal(
            "EXPORT_NOT_APPROVED",
            zh=f"导出 {alone} 人以上须经另一人批准,且在有效期内下载。",
            en=f"An export of more than {alone} persons is fetched once another officer approved it, until it expires.",
            state=case.state,
            count=count,
            alone=alone,
        )


FILTERS: Final = ("unit", "rank", "manage_level", "category", "state")
_KEEPERS: Final[Mapping[str, Reach]] = {"ORG.cadre": Reach.OFFICE}
_SECOND: Final[Mapping[str, Reach]] = {"ORG.cadre": Reach.OFFICE, "COMM": Reach.OFFICE}
KEEP: Final = "roster-export.keep"

ROSTER_EXPORT: Final = CaseType(
    service="assessment",
    kind="roster-export",
    collection="roster-exports",
    zh="名册导出",
    en="export of the roster",
    machine=RosterExportMachine,
    dataclass="L2",
    states={
        "REQUESTED": ("已申请", "requested"),
        "APPROVED": ("已批准", "approved"),
        "REFUSED": ("未批准", "refused"),
        "EXPIRED": ("已失效", "expired"),
    },
    create=Action(
        zh="申请导出",
        en="ask for an export",
        allow=_KEEPERS,
        guards=(refuse_marked_reason,),
        effect=request,
        arms=(Arm(kind=KEEP, rule="roster.export.keep", then="expire"),),
    ),
    actions=with_plain_reasons(
        {
            "approve": Action(zh="批准", en="approve", allow=_SECOND, guards=(approval_needed,), not_after=("create",)),
            "refuse": Action(
                zh="不予批准",
                en="refuse",
                allow=_SECOND,
                guards=(approval_needed,),
                not_after=("create",),
                reason=True,
                closes=(KEEP,),
            ),
            "expire": Action(zh="失效", en="expire"),
        }
    ),
)
