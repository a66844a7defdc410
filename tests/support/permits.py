"""A small case type, written only from what a service may write: it shows that a new one needs no shared code."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from marshmallow import fields
from sqlalchemy import ColumnElement, MetaData, Text, false, or_, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from statemachine import State, StateMachine

from citybus import rulepack
from citybus.cases import Action, Actor, Arm, CaseColumns, Cases, CaseType, Reach, Scope, Step
from citybus.cases.forms import CaseView, Form
from citybus.errors import Refusal
from citybus.tables import NAMING

PACK = """
code: TOY-2024
version: "1"
layer: local
city: "420200"
valid_from: 2024-01-01
valid_to: null
source: a test
rules:
  permit.appeal_window: {value: 5 WD, source: a test, tag: D}
  permit.notice: {value: 3 WD, source: a test, tag: D}
  permit.limit: {value: 100, source: a test, tag: D}
"""


class PermitMachine(StateMachine):
    DRAFT = State(initial=True)
    SUBMITTED = State()
    APPROVED = State()
    REFUSED = State(final=True)
    EXPIRED = State(final=True)
    submit = DRAFT.to(SUBMITTED)
    note = SUBMITTED.to(SUBMITTED)
    retouch = SUBMITTED.to(SUBMITTED)
    approve = SUBMITTED.to(APPROVED)
    refuse = SUBMITTED.to(REFUSED)
    expire = APPROVED.to(EXPIRED)


def within_limit(step: Step) -> None:
    limit = step.rule("permit.limit")
    if step.case.amount > limit:
        raise Refusal("TOO_MUCH", zh="超过限额", en="above the limit", amount=step.case.amount, limit=limit)


def describe(step: Step) -> None:
    case, form = step.case, step.form
    case.unit, case.holder, case.amount, case.remarks = form["unit"], form["holder"], form["amount"], []


def remark(step: Step) -> None:
    step.case.remarks = [*step.case.remarks, step.form["text"]]


PERMIT = CaseType(
    service="toy",
    kind="permit",
    collection="permits",
    zh="许可",
    en="permit",
    machine=PermitMachine,
    states={
        "DRAFT": ("草稿", "draft"),
        "SUBMITTED": ("已提交", "submitted"),
        "APPROVED": ("已批准", "approved"),
        "REFUSED": ("未批准", "refused"),
        "EXPIRED": ("已到期", "expired"),
    },
    create=Action("起草", "draft", allow={"CLERK": Reach.OFFICE}, effect=describe, event="toy.permit.drafted.v1"),
    actions={
        "submit": Action(
            "提交", "submit", allow={"CLERK": Reach.OFFICE, "HEAD": Reach.UNIT}, event="toy.permit.submitted.v1"
        ),
        "note": Action("备注", "note", allow={"HOLDER": Reach.SELF}, effect=remark, event="toy.permit.noted.v1"),
        "retouch": Action("订正", "retouch", allow={"CLERK": Reach.OFFICE}, event="toy.permit.noted.v1"),
        "approve": Action(
            "批准",
            "approve",
            allow={"BOARD": Reach.OFFICE},
            guards=(within_limit,),
            not_after=("create", "submit"),
            eyes=2,
            event="toy.permit.approved.v1",
            arms=(Arm("permit.expiry", "permit.appeal_window", then="expire", warn="permit.notice"),),
        ),
        "refuse": Action("不批准", "refuse", allow={"BOARD": Reach.OFFICE}, reason=True, event="toy.permit.refused.v1"),
        "expire": Action("到期", "expire", event="toy.permit.expired.v1", closes=("permit.expiry",)),
    },
)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class Permit(CaseColumns, Base):
    __tablename__ = "toy_permits"

    unit: Mapped[str] = mapped_column(Text)
    holder: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    remarks: Mapped[list[str]] = mapped_column(ARRAY(Text))


class PermitForm(Form):
    unit = fields.String(required=True)
    holder = fields.String(required=True)
    amount = fields.Integer(required=True)


class RemarkForm(Form):
    text = fields.String(required=True)


class PermitView(CaseView):
    unit = fields.String(required=True)
    holder = fields.String(required=True)
    amount = fields.Integer(required=True)


def payload(case: Any) -> dict[str, Any]:
    return {"permit": case.id, "state": case.state, "unit": case.unit}


def visible(actor: Actor) -> ColumnElement[bool]:
    if actor.units is None:
        return true()
    return or_(Permit.unit.in_(actor.units), Permit.holder == actor.person if actor.person else false())


def permits(
    folder: Path, after: dict[str, Any] | None = None, *, case_type: CaseType = PERMIT, **bindings: Any
) -> Cases:
    """Return the bound case type; its rule pack is written to `folder`. `bindings` replace what it is bound to."""
    (folder / "toy.yaml").write_text(PACK, encoding="utf-8")
    packs = rulepack.RulePacks.load([folder])

    def rules(day: date) -> rulepack.Rules:
        return packs.at(day, "420200")

    bound = Cases(
        case_type,
        model=Permit,
        rules=rules,
        payload=payload,
        view=PermitView,
        scope=lambda case: Scope(frozenset({case.unit}), frozenset({case.holder})),
        visible=visible,
        readers={"CLERK": Reach.OFFICE, "BOARD": Reach.OFFICE, "HEAD": Reach.UNIT, "HOLDER": Reach.SELF},
        forms={"create": PermitForm, "note": RemarkForm},
        after=after or {},
    )
    return replace(bound, **bindings)
