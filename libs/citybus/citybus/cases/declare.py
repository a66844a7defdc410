"""The declaration of a case type: its machine, and for each transition who, when, with what check and consequence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Protocol

from statemachine import StateMachine

from citybus.actor import Actor
from citybus.calendar import Duration
from citybus.errors import Refusal
from citybus.rulepack import Rules


class Reach(Enum):
    """How a role is bound to the case it acts on."""

    SELF = "self"
    """The person whom the case concerns."""
    UNIT = "unit"
    """Somebody acting for the unit that the case concerns."""
    OFFICE = "office"
    """An officer whose data scope covers the unit, and who keeps away from cases of their own person and unit."""
    ANYWHERE = "anywhere"
    """Somebody who has no part in the case, and only tells of it: whomever it concerns."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a case concerns at present: codes of units, ids of persons. It decides who may see it and act on it.

    Until it is `disclosed` to those concerned, only officers know of it; they keep away from their own all the same.
    What is `confidential` is the persons' alone: the officers of their unit are not told of its deadlines.
    """

    units: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()
    disclosed: bool = True
    confidential: bool = False

    def concerns(self, actor: Actor) -> bool:
        """Say whether `actor` is one of the persons, or belongs to one of the units."""
        return (actor.person is not None and actor.person in self.persons) or (
            actor.unit is not None and actor.unit in self.units
        )


@dataclass(frozen=True, slots=True)
class Past:
    """A step that was taken on the case earlier."""

    action: str
    actor: str
    at: datetime


class HasState(Protocol):
    """What the mechanism itself needs of a case."""

    id: str
    state: str
    version: int


@dataclass(slots=True)
class Step:
    """One attempt to take a transition: all that guards and effects may look at, and nothing else.

    `form` is the loaded request (None while the possible actions are being listed); `facts` is what the service looked
    up for this step; `rules` are the rules in force at `at`. Rules read through `rule` and `due` are cited by the step.
    """

    case: Any
    action: str
    actor: Actor
    at: datetime
    rules: Rules
    form: Mapping[str, Any]
    facts: Any = None
    history: Sequence[Past] = ()
    cited: set[str] = field(default_factory=set)

    def rule(self, key: str) -> Any:
        """Return the value of the rule `key` in force now, and cite its pack."""
        self.cited.add(self.rules.cite(key))
        return self.rules[key]

    def due(self, key: str, start: datetime | None = None) -> datetime:
        """Return the instant from which the period `key` (such as `5 WD`) that starts at `start` (default: now) is over."""
        period: Duration = self.rule(key)
        return period.due(self.at if start is None else start)

    def took(self, *actions: str) -> bool:
        """Say whether this actor took one of `actions` on this case before."""
        return any(past.action in actions and past.actor == self.actor.subject for past in self.history)


@dataclass(frozen=True, slots=True)
class Arm:
    """A deadline that a transition arms.

    `rule` names the period in the rule pack; `then` is the action that the system takes when the deadline passes (None:
    it only warns people); `warn` names the rule of how long before people are warned; `start` says from when
    the period runs (default: the step; None: it does not run yet).
    """

    kind: str
    rule: str
    then: str | None = None
    warn: str | None = None
    start: Callable[[Step], datetime | None] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """All that one transition needs beside its states.

    - `allow`: role → how it is bound to the case. Empty for a step that only the system takes.
    - `guards`: need no form; they are also asked when a caller wants to know what may be done now.
    - `effect`: checks the form and changes the case. Guards and effects raise `Refusal`.
    - `event`: the event type that the transition publishes, None if it publishes none; `mandatory` is false where the
      contract lists no consumer.
    - `not_after`: earlier actions whose actor must not take this one (avoidance by earlier handling, X7).
    - `eyes`: how many different people must take the step with the same content (X8); `same_code` is the refusal's code.
    - `reason`: the form must give a reason.
    """

    zh: str
    en: str
    allow: Mapping[str, Reach] = field(default_factory=dict)
    guards: tuple[Callable[[Step], None], ...] = ()
    effect: Callable[[Step], None] | None = None
    event: str | None = None
    mandatory: bool = True
    arms: tuple[Arm, ...] = ()
    closes: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    eyes: int = 1
    same_code: str = "SAME_PERSON"
    reason: bool = False


@dataclass(frozen=True)
class CaseType:
    """A kind of case: its machine, its actions and their labels.

    `kind` is the subject's kind in events (`finding/<id>`); `collection` the plural in URLs; `states` maps each state
    to its labels (zh, en); `dataclass` is the class (L1 to L4) of what events carry. Raises ValueError where the
    machine and the actions do not fit each other.
    """

    service: str
    kind: str
    collection: str
    zh: str
    en: str
    machine: type[StateMachine]
    states: Mapping[str, tuple[str, str]]
    create: Action
    actions: Mapping[str, Action]
    dataclass: str = "L3"

    def __post_init__(self) -> None:
        events = {action for _, action, _ in self.transitions}
        states = {str(state.id) for state in self.machine.states}
        problems = [f"action {name} has no transition" for name in sorted(set(self.actions) - events)]
        problems += [f"transition {name} has no action" for name in sorted(events - set(self.actions))]
        problems += [f"state {name} has no label" for name in sorted(states - set(self.states))]
        problems += [f"label {name} has no state" for name in sorted(set(self.states) - states)]
        for name, action in {"create": self.create, **self.actions}.items():
            for arm in action.arms:
                if arm.then is not None and arm.then not in events:
                    problems.append(f"deadline {arm.kind} of {name} fires {arm.then}, which is no transition")
        if problems:
            raise ValueError(f"{self.kind}: " + "; ".join(problems))

    def subject(self, case: HasState) -> str:
        """Return the subject under which the case's events are published."""
        return f"{self.kind}/{case.id}"

    @property
    def initial(self) -> str:
        """Return the state in which a case begins."""
        return next(str(state.id) for state in self.machine.states if state.initial)

    def target(self, state: str, action: str) -> str | None:
        """Return the state to which `action` leads from `state`, or None where it does not lead anywhere."""
        for source, name, target in self.transitions:
            if source == state and name == action:
                return target
        return None

    @cached_property
    def transitions(self) -> list[tuple[str, str, str]]:
        """Return all (state, action, state) of the machine in the order of their declaration."""
        return [
            (str(state.id), event, str(transition.target.id))
            for state in self.machine.states
            for transition in state.transitions
            for event in str(transition.event).split()
            if transition.target is not None
        ]


def refuse_wrong_state(case_type: CaseType, state: str, action: str) -> None:
    """Raise the refusal 409 `INVALID_TRANSITION` where `action` does not lead anywhere from `state`."""
    if case_type.target(state, action) is None:
        possible = [name for source, name, _ in case_type.transitions if source == state]
        zh, en = case_type.states[state]
        raise Refusal(
            "INVALID_TRANSITION",
            zh=f"当前状态为“{zh}”,不能执行此操作。",
            en=f"The case is in state {state} ({en}); this action cannot be taken now.",
            status=409,
            state=state,
            action=action,
            possible=possible,
        )


def refuse_conflict_of_interest(step: Step, action: Action, scope: Scope) -> None:
    """Raise 422 `AVOIDANCE` where the actor is a party, belongs to the unit concerned, or handled the case before.

    Source of the rule: avoidance (X7); civil servants law, articles 76 and 77.
    """
    actor = step.actor
    reason = None
    if actor.person is not None and actor.person in scope.persons:
        reason = ("您是本案当事人", "you are a party to the case")
    elif actor.unit is not None and actor.unit in scope.units:
        reason = ("您属于本案涉及的单位", "you belong to the unit concerned")
    elif action.not_after and step.took(*action.not_after):
        reason = ("您已办理过本案的前一环节", "you handled an earlier step of the case")
    if reason:
        raise Refusal(
            "AVOIDANCE",
            zh=f"应当回避:{reason[0]},请由他人办理。",
            en=f"Avoidance: {reason[1]}; somebody else must take this step.",
        )
