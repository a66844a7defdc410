"""How a case is opened, read and moved: the one way in which every transition of every case type is taken."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
from marshmallow import Schema
from sqlalchemy import ColumnElement, Select, delete, insert, select, true
from sqlalchemy.orm import Session

from citybus import deadlines
from citybus.actor import Actor
from citybus.cases import warned
from citybus.cases.declare import (
    Action,
    Arm,
    CaseType,
    Past,
    Reach,
    Scope,
    Step,
    refuse_conflict_of_interest,
    refuse_wrong_state,
)
from citybus.cases.tables import case_approvals, case_steps
from citybus.errors import Refusal
from citybus.ids import new_id
from citybus.outbox import Draft
from citybus.rulepack import Rules
from citybus.unit_of_work import UnitOfWork

SYSTEM = "system"


def no_facts(uow: UnitOfWork, case: Any, action: str, form: Mapping[str, Any]) -> None:
    """The facts of a case type that looks nothing up."""


@dataclass(frozen=True)
class Cases:
    """A case type bound to its table, forms, payload and the facts its rules ask for.

    - `forms`: action (and `create`) → Marshmallow schema of the request body. An action without one takes none.
    - `rules(day)`: the rules in force on a day.
    - `payload(case)`: the `data` of every event of the case: its whole relevant state.
    - `view`: Marshmallow schema of what a reader sees.
    - `scope(case)`: whom the case concerns now.
    - `visible(actor)`: SQL condition for the cases that the actor may list.
    - `facts(uow, case, action, form)`: what guards and effects may look at beside the case.
    - `after[action](uow, step)`: what else the service records in the same transaction.
    - `duties[code](uow, step)`: what it records where a rule refuses with that code and the refusal has a duty
      (`Refusal.committed`): the case itself stays as it is.
    - `readers`: role → how it is bound to a case that it may read.
    """

    case_type: CaseType
    model: type[Any]
    rules: Callable[[date], Rules]
    payload: Callable[[Any], dict[str, Any]]
    view: type[Schema]
    scope: Callable[[Any], Scope]
    visible: Callable[[Actor], ColumnElement[bool]]
    readers: Mapping[str, Reach]
    forms: Mapping[str, type[Schema]] = field(default_factory=dict)
    facts: Callable[[UnitOfWork, Any, str, Mapping[str, Any]], Any] = no_facts
    after: Mapping[str, Callable[[UnitOfWork, Step], None]] = field(default_factory=dict)
    duties: Mapping[str, Callable[[UnitOfWork, Step], None]] = field(default_factory=dict)

    def open(self, uow: UnitOfWork, actor: Actor, form: Mapping[str, Any], case_id: str | None = None) -> Any:
        """Open a case and return it. Raises Refusal (role, scope, guards, effect)."""
        now = uow.clock.now()
        case = self.model(
            id=case_id or new_id(),
            state=self.case_type.initial,
            version=1,
            created_at=now,
            changed_at=now,
            correlation_id=uow.context.correlation_id,
        )
        action = self.case_type.create
        step = self._step(uow, case, "create", actor, form, ())
        if not actor.system:
            _refuse_role(action, actor)
        self._ask_guards(uow, step, action)
        if action.effect:
            action.effect(step)
        if not actor.system:
            _refuse_reach(action.allow, actor, self.scope(case))
            if _offices(action, actor):
                refuse_conflict_of_interest(step, action, self.scope(case))
        uow.session.add(case)
        uow.session.flush()
        self._record(uow, step, action, None)
        return case

    def take(
        self,
        uow: UnitOfWork,
        case_id: str,
        name: str,
        actor: Actor,
        form: Mapping[str, Any],
        version: int | None = None,
        *,
        firing: str | None = None,
    ) -> Any:
        """Take the transition `name` of the case and return the case.

        `version` is what the caller saw (`If-Match`); the system gives none. `firing` is the kind of the deadline because
        of which the step is taken; it is marked by who fires it. Raises Refusal: 404 `NOT_FOUND`,
        403 `FORBIDDEN` or `DATA_SCOPE`, 412 `STALE_VERSION`, 409 `INVALID_TRANSITION`, 422 `AVOIDANCE` and the domain's own.
        """
        case = self._locked(uow.session, case_id)
        action = self.case_type.actions[name]
        if not actor.system:
            _refuse_role(action, actor)
            _refuse_reach(action.allow, actor, self.scope(case))
            if version != case.version:
                raise Refusal(
                    "STALE_VERSION",
                    zh=f"该事项已更新至版本 {case.version},请重新读取后再提交。",
                    en=f"The case is at version {case.version} by now; read it again, then repeat the request.",
                    status=412,
                    current=case.version,
                    given=version,
                )
        refuse_wrong_state(self.case_type, case.state, name)
        step = self._step(uow, case, name, actor, form, _history(uow.session, case_id))
        if not actor.system and _offices(action, actor):
            refuse_conflict_of_interest(step, action, self.scope(case))
        self._ask_guards(uow, step, action)
        if action.reason and not actor.system and not form.get("reason"):
            raise Refusal("REASON_MISSING", zh="请说明理由(reason)。", en="Give the reason for this step (`reason`).")
        if action.eyes > 1 and not actor.system and not self._seen_by_enough(uow, step, action):
            return case
        if any(declared.eyes > 1 for declared in self.case_type.actions.values()):
            # What people confirmed was the case as it stood: a step of any kind makes their confirmation void.
            uow.session.execute(delete(case_approvals).where(case_approvals.c.case_id == case_id))
        source, concerned = case.state, self.scope(case)
        if action.effect:
            action.effect(step)
        if not actor.system:
            self._refuse_new_scope(step, action, concerned)
        # The machine says where the action leads. Its engine is not run: it wants locks that a worker's green queues lack.
        case.state = self.case_type.target(source, name)
        case.version += 1
        case.changed_at = step.at
        uow.session.flush()
        self._record(uow, step, action, source, firing)
        return case

    def _refuse_new_scope(self, step: Step, action: Action, before: Scope) -> None:
        """Raise as `open` does where a step brings whom it did not concern into a case, and they are out of the actor's reach."""
        scope = self.scope(step.case)
        if scope.units <= before.units and scope.persons <= before.persons:
            return
        if _offices(action, step.actor):
            _refuse_reach(action.allow, step.actor, scope)
            refuse_conflict_of_interest(step, action, scope)

    def read(self, uow: UnitOfWork, case_id: str, actor: Actor) -> Any:
        """Return the case for reading and record that it was read. Raises Refusal: 404, 403 `DATA_SCOPE`."""
        case = uow.session.get(self.model, case_id)
        if case is None:
            raise _not_found(self.case_type)
        self.refuse_reader(actor, case)
        uow.audit(f"{self.case_type.kind}.read", self.case_type.subject(case), read=sorted(self.view().fields))
        return case

    def refuse_role(self, name: str, actor: Actor) -> None:
        """Raise 403 `FORBIDDEN` where no role of `actor` may take the action `name`, or `create`, on any case."""
        _refuse_role(self.case_type.create if name == "create" else self.case_type.actions[name], actor)

    def refuse_reader(self, actor: Actor, case: Any) -> None:
        """Raise 403 where `actor` may not read `case`: an officer whom it concerns reads it when it is disclosed."""
        if not any(actor.has(role) for role in self.readers):
            raise _forbidden(sorted(self.readers))
        scope = self.scope(case)
        _refuse_reach(self.readers, actor, scope)
        if not scope.disclosed and (actor.person in scope.persons or actor.unit in scope.units):
            raise _out_of_scope()

    def listing(self, actor: Actor) -> Select[Any]:
        """Return the query for the cases that `actor` may list."""
        if not any(actor.has(role) for role in self.readers):
            raise _forbidden(sorted(self.readers))
        return select(self.model).where(true(), self.visible(actor))

    def options(self, uow: UnitOfWork, case: Any, actor: Actor) -> list[dict[str, Any]]:
        """Return every action that leads on from the case's state: allowed now, or why not.

        Each is `{action, zh, en, allowed}` and where it is refused `why: {code, zh, en, figures}`. What depends on the form
        can only be told when it is sent.
        """
        scope = self.scope(case)
        history = _history(uow.session, case.id)
        found = []
        for source, name, _ in self.case_type.transitions:
            action = self.case_type.actions[name]
            if source != case.state or not action.allow:
                continue
            option: dict[str, Any] = {"action": name, "zh": action.zh, "en": action.en, "allowed": True}
            try:
                _refuse_role(action, actor)
                _refuse_reach(action.allow, actor, scope)
                step = self._step(uow, case, name, actor, {}, history)
                if _offices(action, actor):
                    refuse_conflict_of_interest(step, action, scope)
                for guard in action.guards:
                    guard(step)
                if action.eyes > 1:
                    self._refuse_same_eyes(uow.session, step, action)
            except Refusal as refusal:
                option["allowed"] = False
                option["why"] = {
                    "code": refusal.code,
                    "zh": refusal.zh,
                    "en": refusal.en,
                    "figures": refusal.figures,
                }
            found.append(option)
        return found

    def history(self, session: Session, case_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the steps taken so far, oldest first."""
        rows = session.execute(select(case_steps).where(case_steps.c.case_id == case_id).order_by(case_steps.c.number))
        return [dict(row) for row in rows.mappings()]

    def _locked(self, session: Session, case_id: str) -> Any:
        case = session.get(self.model, case_id, with_for_update=True)
        if case is None:
            raise _not_found(self.case_type)
        return case

    def _step(
        self, uow: UnitOfWork, case: Any, name: str, actor: Actor, form: Mapping[str, Any], history: Sequence[Past]
    ) -> Step:
        at = uow.clock.now()
        return Step(
            case=case,
            action=name,
            actor=actor,
            at=at,
            rules=self.rules(at.date()),
            form=form,
            facts=self.facts(uow, case, name, form),
            history=history,
        )

    def _ask_guards(self, uow: UnitOfWork, step: Step, action: Action) -> None:
        try:
            for guard in action.guards:
                guard(step)
        except Refusal as refusal:
            if refusal.committed:
                self.duties[refusal.code](uow, step)
            raise

    def _record(
        self, uow: UnitOfWork, step: Step, action: Action, source: str | None, firing: str | None = None
    ) -> None:
        """Write all that goes with a transition: its history, deadlines, audit entry and event."""
        case, session = step.case, uow.session
        subject = self.case_type.subject(case)
        # What people do on a case later goes on under the correlation with which it was opened, unless they name one.
        thread = uow.context.correlation_id if uow.context.correlation_named else case.correlation_id
        for kind in action.closes:
            if kind != firing:
                with uow.under(thread):
                    warned.satisfied(uow, self, case, kind)
        for arm in action.arms:
            if source is not None and arm.kind not in action.closes:
                with uow.under(thread):
                    warned.overtaken(uow, self, case, arm)
            if _arm(session, step, arm, subject, thread):
                with uow.under(thread):
                    warned.tell_armed(uow, self, case, arm)
        packs = sorted(step.cited)
        session.execute(
            insert(case_steps).values(
                kind=self.case_type.kind,
                case_id=case.id,
                version=case.version,
                action=step.action,
                from_state=source,
                to_state=case.state,
                actor=step.actor.subject,
                roles=sorted(step.actor.roles),
                at=step.at,
                reason=step.form.get("reason"),
                rule_packs=packs,
                event_cause=uow.context.causation_id,
            )
        )
        uow.audit(
            f"{self.case_type.kind}.{step.action}",
            subject,
            written={"from": source, "to": case.state, "version": case.version, "fields": sorted(step.form)},
        )
        with uow.under(thread):
            if action.event:
                uow.publish(
                    Draft(
                        type=action.event,
                        subject=subject,
                        data=self.payload(case),
                        dataclass=self.case_type.dataclass,
                        rulepack=" ".join(packs) or None,
                        mandatory=action.mandatory,
                    )
                )
            hook = self.after.get(step.action)
            if hook:
                hook(uow, step)

    def _refuse_same_eyes(self, session: Session, step: Step, action: Action) -> Sequence[Any]:
        approvals = session.execute(
            select(case_approvals).where(
                case_approvals.c.case_id == step.case.id, case_approvals.c.action == step.action
            )
        ).all()
        if any(approval.actor == step.actor.subject for approval in approvals):
            raise Refusal(
                action.same_code,
                zh="须由另一人复核,同一人不能重复确认。",
                en="Another person must confirm this step; you have confirmed it already.",
                confirmed=len(approvals),
                wanted=action.eyes,
            )
        return approvals

    def _rehearse(self, session: Session, step: Step, action: Action) -> None:
        """Raise what the step would, and keep nothing of it: what is wrong with a form is told to who confirms first."""
        with session.no_autoflush:
            concerned = self.scope(step.case)
            if action.effect:
                action.effect(step)
            self._refuse_new_scope(step, action, concerned)
            session.expire(step.case)

    def _seen_by_enough(self, uow: UnitOfWork, step: Step, action: Action) -> bool:
        """Record this actor's consent; say whether with it enough people have consented to the same content.

        Who has consented may consent to something else: what was confirmed before is void then.
        """
        session, case = uow.session, step.case
        # Each gives the reason in words of their own; all else must be the same.
        confirmed = {name: value for name, value in step.form.items() if name != "reason"}
        content = hashlib.sha256(orjson.dumps(confirmed, default=str, option=orjson.OPT_SORT_KEYS)).digest()
        given = case_approvals.c
        of_step = given.case_id == case.id, given.action == step.action
        own = session.scalar(select(given.content).where(*of_step, given.actor == step.actor.subject))
        if own is not None and own != content:
            session.execute(delete(case_approvals).where(*of_step))
        approvals = self._refuse_same_eyes(session, step, action)
        if any(approval.content != content for approval in approvals):
            raise Refusal(
                "APPROVAL_DIFFERS",
                zh="提交内容与前一位确认人不一致,请核对后重新提交。",
                en="The content differs from what the other person confirmed; compare, then send the same content.",
            )
        if len(approvals) + 1 >= action.eyes:
            return True
        self._rehearse(session, step, action)
        case.version += 1
        case.changed_at = step.at
        session.execute(
            insert(case_approvals).values(
                case_id=case.id,
                action=step.action,
                actor=step.actor.subject,
                kind=self.case_type.kind,
                content=content,
                version=case.version,
                at=step.at,
            )
        )
        session.execute(
            insert(case_steps).values(
                kind=self.case_type.kind,
                case_id=case.id,
                version=case.version,
                action=step.action,
                from_state=case.state,
                to_state=case.state,
                actor=step.actor.subject,
                roles=sorted(step.actor.roles),
                at=step.at,
                reason=step.form.get("reason"),
                rule_packs=sorted(step.cited),
                event_cause=uow.context.causation_id,
            )
        )
        uow.audit(
            f"{self.case_type.kind}.{step.action}.confirm",
            self.case_type.subject(case),
            written={"version": case.version, "confirmed": len(approvals) + 1, "wanted": action.eyes},
        )
        return False


def system_actor(service: str) -> Actor:
    """Return the service itself as an actor: it takes steps by deadline or in answer to an event."""
    return Actor(subject=f"{SYSTEM}:{service}", system=True)


def _arm(session: Session, step: Step, arm: Arm, subject: str, correlation_id: str) -> bool:
    """Arm a deadline as declared. Return False where its period does not run yet."""
    start = arm.start(step) if arm.start else step.at
    if start is None:
        return False
    deadlines.arm_period(
        session,
        arm.kind,
        subject,
        step.rule(arm.rule),
        start,
        warn=step.rule(arm.warn) if arm.warn else None,
        correlation_id=correlation_id,
    )
    return True


def _history(session: Session, case_id: str) -> list[Past]:
    rows = session.execute(
        select(case_steps.c.action, case_steps.c.actor, case_steps.c.at)
        .where(case_steps.c.case_id == case_id)
        .order_by(case_steps.c.number)
    )
    return [Past(*row) for row in rows]


def _offices(action: Action, actor: Actor) -> bool:
    """Say whether the actor takes the action as an officer rather than for itself or its unit."""
    return not any(reach is not Reach.OFFICE and actor.has(role) for role, reach in action.allow.items())


def _refuse_role(action: Action, actor: Actor) -> None:
    if not any(actor.has(role) for role in action.allow):
        raise _forbidden(sorted(action.allow))


def _refuse_reach(allow: Mapping[str, Reach], actor: Actor, scope: Scope) -> None:
    if not any(actor.has(role) and _reaches(reach, actor, scope) for role, reach in allow.items()):
        raise _out_of_scope()


def _reaches(reach: Reach, actor: Actor, scope: Scope) -> bool:
    if reach is Reach.ANYWHERE:
        return True
    if reach is not Reach.OFFICE and not scope.disclosed:
        return False
    if reach is Reach.SELF:
        return actor.person is not None and actor.person in scope.persons
    if reach is Reach.UNIT:
        return actor.unit is not None and actor.unit in scope.units
    return actor.units is None or scope.units <= actor.units


def _forbidden(roles: Sequence[str]) -> Refusal:
    return Refusal(
        "FORBIDDEN",
        zh=f"此操作需要下列角色之一:{'、'.join(roles) or '系统'}。",
        en=f"This needs one of the roles {', '.join(roles) or 'of the system'}.",
        status=403,
        roles=list(roles),
    )


def _out_of_scope() -> Refusal:
    return Refusal(
        "DATA_SCOPE",
        zh="该事项不在您的数据权限范围内。",
        en="The case is outside your data scope.",
        status=403,
    )


def _not_found(case_type: CaseType) -> Refusal:
    return Refusal("NOT_FOUND", zh=f"没有这件{case_type.zh}。", en=f"There is no such {case_type.en}.", status=404)
