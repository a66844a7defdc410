"""Duty lists and their joint reviews as cases: what their rules look up, who sees them, and how one leads the other on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from assessment.application.rulebook import Rulebook
from assessment.domain import duty_list, joint_review
from assessment.domain.duty_list import DUTY_LIST, DutyFacts, OwnerKind
from assessment.domain.joint_review import JOINT_REVIEW, Conclusion, ReviewFacts
from assessment.domain.roster import CadreState
from assessment.persistence.models import (
    AnnualRow,
    CadreRow,
    DutyListRow,
    DutyListVersionRow,
    IndicatorRow,
    JointReviewRow,
    ReviewOpinionRow,
    UnitRow,
)
from assessment.schemas.published import duty_list_state, joint_review_state
from assessment.schemas.requests import (
    Amendment,
    DutyDecision,
    DutyItems,
    DutyListDraft,
    MemberReplacement,
    Opinion,
    ReviewConclusion,
    ReviewOpening,
)
from assessment.schemas.responses import DutyListView, JointReviewView
from citybus.cases import Actor, Cases, Reach, Step
from citybus.cases.perform import system_actor
from citybus.ids import new_id
from citybus.unit_of_work import UnitOfWork

_OFFICERS: Final[Mapping[str, Reach]] = {
    "ORG.*": Reach.OFFICE,
    "SUPO.*": Reach.OFFICE,
    "COMM": Reach.OFFICE,
    "DISC": Reach.OFFICE,
    "REVIEWER": Reach.OFFICE,
}
_OWNERS: Final[Mapping[str, Reach]] = {"UNITHEAD": Reach.UNIT, "UNITHR": Reach.UNIT, "CADRE": Reach.SELF}
_SYSTEM: Final = system_actor("assessment")


def duty_lists(rulebook: Rulebook) -> tuple[Cases, Cases]:
    """Return duty lists and joint reviews, bound to their tables, forms and facts, and to each other."""
    lists = Cases(
        case_type=DUTY_LIST,
        model=DutyListRow,
        rules=rulebook.on,
        payload=duty_list_state,
        view=DutyListView,
        scope=duty_list.scope,
        visible=_visible_lists,
        readers={**_OFFICERS, **_OWNERS},
        forms={
            "create": DutyListDraft,
            "revise": DutyItems,
            "open_review": ReviewOpening,
            "decide": DutyDecision,
            "amend": Amendment,
            "review_amendment": ReviewOpening,
        },
        facts=_list_facts,
        after={"lock": _keep_version, "adopt_amendment": _keep_version},
    )

    def follow(uow: UnitOfWork, step: Step) -> None:
        review: JointReviewRow = step.case
        approved = review.conclusion == Conclusion.APPROVE
        steps = ("adopt_amendment", "refuse_amendment") if review.amendment else ("approve", "send_back")
        reviewed = uow.session.get_one(DutyListRow, review.duty_list_id, with_for_update=True)
        why = reviewed.amendment["reason"] if reviewed.amendment else None
        form = {"reason": step.form.get("reason"), "why": why}
        lists.take(uow, reviewed.id, steps[not approved], _SYSTEM, form)

    reviews = Cases(
        case_type=JOINT_REVIEW,
        model=JointReviewRow,
        rules=rulebook.on,
        payload=joint_review_state,
        view=JointReviewView,
        scope=joint_review.scope,
        visible=_visible_reviews,
        readers={**_OFFICERS, **_OWNERS},
        forms={"give_opinion": Opinion, "replace_member": MemberReplacement, "conclude": ReviewConclusion},
        facts=_review_facts,
        after={"give_opinion": _keep_opinion, "conclude": follow},
    )

    def convene(uow: UnitOfWork, step: Step) -> None:
        case: DutyListRow = step.case
        amending = step.action == "review_amendment"
        review = reviews.open(
            uow,
            _SYSTEM,
            {
                "duty_list": case.id,
                "round": case.round,
                "amendment": amending,
                "unit": case.unit,
                "owner_kind": case.owner_kind,
                "owner": case.owner,
                "members": step.form["members"],
            },
        )
        if amending and case.amendment is not None:
            case.amendment = {**case.amendment, "review": review.id}
        else:
            case.review = review.id

    opening = {"open_review": convene, "review_amendment": convene}
    return replace(lists, after={**lists.after, **opening}), reviews


def _list_facts(uow: UnitOfWork, case: DutyListRow, action: str, form: Mapping[str, Any]) -> DutyFacts:
    session = uow.session
    if action == "create":
        same = select(DutyListRow.id).where(
            DutyListRow.owner_kind == form["owner_kind"],
            DutyListRow.owner == form["owner"],
            DutyListRow.year == form["year"],
            DutyListRow.kind == form["kind"],
        )
        return DutyFacts(
            unit=_unit_of_owner(uow, form["owner_kind"], form["owner"]),
            duplicate=session.scalar(same) is not None,
            indicators=_indicators(uow, form["year"], form),
        )
    if action == "revise":
        return DutyFacts(
            unit=_unit_of_owner(uow, case.owner_kind, case.owner), indicators=_indicators(uow, case.year, form)
        )
    if action in ("amend", "decide"):
        return DutyFacts(indicators=_indicators(uow, case.year, form))
    if action == "close":
        return DutyFacts(annual_final=_annual_final(uow, case))
    if action in ("open_review", "review_amendment"):
        return DutyFacts(unit_of=_units_of(uow, [str(entry["cadre"]) for entry in form.get("members", ())]))
    return DutyFacts()


def _annual_final(uow: UnitOfWork, case: DutyListRow) -> bool:
    """Say whether the annual assessment of the list's owner, a cadre or a unit's group, has its final result."""
    of_owner = (
        AnnualRow.cadre == case.owner
        if case.owner_kind == OwnerKind.CADRE
        else and_(AnnualRow.cadre.is_(None), AnnualRow.unit == case.owner)
    )
    state = uow.session.scalar(select(AnnualRow.state).where(AnnualRow.year == case.year, of_owner))
    return state in ("FINAL", "CORRECTED")


def _indicators(uow: UnitOfWork, year: int, form: Mapping[str, Any]) -> frozenset[str]:
    """Return those of the indicators that the form's items name which are active in `year`."""
    named = {str(item["indicator"]) for item in form.get("items") or () if item.get("indicator")}
    active = select(IndicatorRow.id).where(
        IndicatorRow.id.in_(named), IndicatorRow.year == year, IndicatorRow.state == "ACTIVE"
    )
    return frozenset(uow.session.scalars(active)) if named else frozenset()


def _unit_of_owner(uow: UnitOfWork, kind: str, owner: str) -> str | None:
    if kind == OwnerKind.UNIT:
        return uow.session.scalar(select(UnitRow.code).where(UnitRow.code == owner))
    return _units_of(uow, [owner]).get(owner)


def _units_of(uow: UnitOfWork, cadres: list[str]) -> dict[str, str]:
    """Return the units of those of `cadres` who are in the roster and in office."""
    known = [cadre for cadre in cadres if _is_id(cadre)]
    statement = select(CadreRow.id, CadreRow.unit).where(CadreRow.id.in_(known), CadreRow.state == CadreState.ACTIVE)
    return dict(uow.session.execute(statement).all())


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _review_facts(uow: UnitOfWork, case: JointReviewRow, action: str, form: Mapping[str, Any]) -> ReviewFacts:
    if action == "create":
        return ReviewFacts(unit_of=_units_of(uow, [str(entry["cadre"]) for entry in form["members"]]))
    if action == "replace_member" and form:
        return ReviewFacts(unit_of=_units_of(uow, [str(form["by"])]))
    if action == "give_opinion":
        reviewed = uow.session.get_one(DutyListRow, case.duty_list_id)
        items = reviewed.amendment["items"] if case.amendment and reviewed.amendment else reviewed.items
        return ReviewFacts(items=frozenset(item["id"] for item in items))
    return ReviewFacts()


def _keep_version(uow: UnitOfWork, step: Step) -> None:
    """Keep the version that is in force from now on."""
    case: DutyListRow = step.case
    uow.session.add(
        DutyListVersionRow(
            duty_list_id=case.id,
            version=case.list_version,
            items=case.items,
            reason=step.form.get("why"),
            review=case.review,
            adopted_at=step.at,
        )
    )


def _keep_opinion(uow: UnitOfWork, step: Step) -> None:
    """Keep an opinion with its comments; they are in no event."""
    case: JointReviewRow = step.case
    member = next(member for member in case.members if member["cadre"] == step.actor.person)
    comments = [{"item": str(each["item"]), "text": each["text"]} for each in step.form.get("item_comments") or ()]
    uow.session.add(
        ReviewOpinionRow(
            id=new_id(),
            review_id=case.id,
            cadre=member["cadre"],
            capacity=member["capacity"],
            verdict=member["verdict"],
            comments=comments,
            at=step.at,
        )
    )


def versions(lists: Cases, uow: UnitOfWork, list_id: str, actor: Actor) -> list[DutyListVersionRow]:
    """Return the versions of a locked list, oldest first. Raises Refusal: 404, 403."""
    lists.read(uow, list_id, actor)
    statement = select(DutyListVersionRow).where(DutyListVersionRow.duty_list_id == list_id)
    return list(uow.session.scalars(statement.order_by(DutyListVersionRow.version)))


def opinions(reviews: Cases, uow: UnitOfWork, review_id: str, actor: Actor) -> list[ReviewOpinionRow]:
    """Return the opinions of a review, oldest first; the owner's side sees them once it is concluded. Raises Refusal."""
    reviews.read(uow, review_id, actor)
    uow.audit("joint-review.read-opinions", f"joint-review/{review_id}", read=["comments", "verdict"])
    statement = select(ReviewOpinionRow).where(ReviewOpinionRow.review_id == review_id)
    return list(uow.session.scalars(statement.order_by(ReviewOpinionRow.at, ReviewOpinionRow.id)))


def _visible_lists(actor: Actor) -> ColumnElement[bool]:
    """Return which lists `actor` may list: the same that `duty_list.scope` lets them read."""
    return or_(false(), *_reached(actor, DutyListRow))


def _visible_reviews(actor: Actor) -> ColumnElement[bool]:
    """Return which reviews `actor` may list: the same that `joint_review.scope` lets them read."""
    row = JointReviewRow
    disclosed = row.state == "CONCLUDED"
    own = or_(_own_person(actor, row), row.unit == actor.unit if actor.unit else false())
    office, *party = _reached(actor, row)
    return or_(and_(office, or_(disclosed, not_(own))), *(and_(disclosed, each) for each in party))


def _reached(
    actor: Actor, row: type[DutyListRow] | type[JointReviewRow]
) -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[bool]]:
    """Return what the actor reaches as an officer, for the unit, and as the owner."""
    office = any(actor.has(role) for role in _OFFICERS)
    within = true() if actor.units is None else row.unit.in_(sorted(actor.units))
    for_unit = actor.unit is not None and (actor.has("UNITHEAD") or actor.has("UNITHR"))
    return (
        within if office else false(),
        row.unit == actor.unit if for_unit else false(),
        _own_person(actor, row) if actor.has("CADRE") else false(),
    )


def _own_person(actor: Actor, row: type[DutyListRow] | type[JointReviewRow]) -> ColumnElement[bool]:
    if actor.person is None:
        return false()
    return and_(row.owner_kind == OwnerKind.CADRE, row.owner == actor.person)
