"""The rules of duty lists and joint reviews, each with what it lets pass and what it refuses."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from assessment.domain import duty_list, joint_review
from assessment.domain.duty_list import DUTY_LIST, DutyFacts
from assessment.domain.joint_review import JOINT_REVIEW, ReviewFacts
from citybus.cases import Actor, CaseType
from citybus.errors import Refusal
from tests.support.duty import OFFICES, OWN, a_list, a_review, item, member, step, weighted

LEADS_ON = {
    "duty-list": {
        ("DRAFT", "revise", "DRAFT"),
        ("DRAFT", "cosign", "DRAFT"),
        ("DRAFT", "submit", "SUBMITTED"),
        ("SUBMITTED", "open_review", "UNDER_REVIEW"),
        ("UNDER_REVIEW", "send_back", "RETURNED"),
        ("UNDER_REVIEW", "approve", "APPROVED"),
        ("RETURNED", "revise", "DRAFT"),
        ("RETURNED", "decide", "APPROVED"),
        ("APPROVED", "lock", "LOCKED"),
        ("LOCKED", "cosign", "LOCKED"),
        ("LOCKED", "amend", "LOCKED"),
        ("LOCKED", "withdraw_amendment", "LOCKED"),
        ("LOCKED", "review_amendment", "LOCKED"),
        ("LOCKED", "adopt_amendment", "LOCKED"),
        ("LOCKED", "refuse_amendment", "LOCKED"),
        ("LOCKED", "close", "CLOSED"),
    },
    "joint-review": {
        ("OPEN", "give_opinion", "COLLECTING"),
        ("OPEN", "count_absent", "COLLECTING"),
        ("OPEN", "replace_member", "OPEN"),
        ("COLLECTING", "give_opinion", "COLLECTING"),
        ("COLLECTING", "count_absent", "COLLECTING"),
        ("COLLECTING", "replace_member", "COLLECTING"),
        ("COLLECTING", "conclude", "CONCLUDED"),
    },
}


def refused(rule: Callable[[Any], Any], attempt: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rule(attempt)
    return caught.value


@pytest.mark.parametrize("case_type", [DUTY_LIST, JOINT_REVIEW], ids=lambda case_type: case_type.kind)
def test_the_machine_has_these_transitions_and_no_other(case_type: CaseType) -> None:
    assert set(case_type.transitions) == LEADS_ON[case_type.kind]


@pytest.mark.parametrize(
    ("weights", "fits"),
    [
        (("60", "25", "15"), True),
        (("33.33", "33.33", "33.33"), True),
        (("33.34", "33.34", "33.33"), True),
        (("33.34", "33.34", "33.34"), False),
        (("60", "25", "14.98"), False),
        (("60", "25", "10"), False),
    ],
)
def test_weights_total_a_hundred_within_a_hundredth(weights: tuple[str, ...], fits: bool) -> None:
    attempt = step(a_list(items=weighted(*weights)))
    if fits:
        duty_list.complete(attempt)
    else:
        assert refused(duty_list.complete, attempt).code == "WEIGHT_SUM"
    assert sum(map(Decimal, weights)) > 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": "GOAL"}, "SOURCE_MISSING"),
        ({"measure": None}, "NOT_MEASURABLE"),
        ({"target": None}, "NOT_MEASURABLE"),
        ({"due": None}, "NOT_MEASURABLE"),
        ({"due": "2023-12-31"}, "NOT_MEASURABLE"),
        ({"weight": None}, "WEIGHT_SUM"),
    ],
)
def test_an_incomplete_list_is_not_submitted(changes: dict[str, Any], code: str) -> None:
    items = [item(0), item(1), item(2, **changes)]
    assert refused(duty_list.complete, step(a_list(items=items))).code == code


@pytest.mark.parametrize(
    ("day", "reason", "late"),
    [
        (date(2024, 2, 28), None, False),
        (date(2024, 2, 29), "机构改革", True),
        (date(2023, 12, 1), None, False),
    ],
)
def test_lists_are_due_on_28_february(day: date, reason: str | None, late: bool) -> None:
    case = a_list()
    duty_list.submit(step(case, {"reason": reason}, day=day))
    assert (case.late, case.submitted_on) == (late, day)


def test_a_late_list_without_a_reason_is_refused_but_not_a_later_round() -> None:
    refusal = refused(duty_list.submit, step(a_list(), day=date(2024, 2, 29)))
    assert (refusal.code, refusal.figures) == ("LATE_SUBMISSION", {"due": "2024-02-28"})
    again = a_list(submitted_on=date(2024, 2, 20), round=2)
    duty_list.submit(step(again, day=date(2024, 3, 20)))
    assert (again.late, again.submitted_on) == (False, date(2024, 2, 20))


def test_the_head_need_not_sign_what_the_head_submits() -> None:
    assert refused(duty_list.cosigned, step(a_list(cosigned_by=None))).code == "COSIGN_MISSING"
    head = Actor("head", frozenset({"UNITHEAD"}))
    duty_list.cosigned(step(a_list(cosigned_by=None), actor=head))


@pytest.mark.parametrize(("year", "fits"), [(2023, False), (2024, True), (2025, True), (2026, False)])
def test_a_list_is_drawn_up_in_its_year_or_the_one_before(year: int, fits: bool) -> None:
    form = {"owner_kind": "CADRE", "owner": "cadre-1", "year": year, "kind": "DUTY", "items": []}
    attempt = step(a_list(), form, facts=DutyFacts(unit=OWN))
    if fits:
        duty_list.draft(attempt)
    else:
        assert refused(duty_list.draft, attempt).code == "YEAR_RANGE"


def test_an_owner_has_one_list_of_each_kind_and_year() -> None:
    form = {"owner_kind": "CADRE", "owner": "cadre-1", "year": 2024, "kind": "DUTY", "items": []}
    refusal = refused(duty_list.draft, step(a_list(), form, facts=DutyFacts(unit=OWN, duplicate=True)))
    assert (refusal.code, refusal.status) == ("DUPLICATE", 409)
    assert refused(duty_list.draft, step(a_list(), form, facts=DutyFacts())).code == "UNKNOWN_OWNER"


def test_items_bear_no_mark_of_secrets_and_go_on_by_their_id() -> None:
    entry = {"title": "机密事项", "source": "GOAL"}
    assert refused(duty_list.revise, step(a_list(), {"items": [entry]}, facts=DutyFacts())).status == 451
    strange = {"title": "任务", "source": "GOAL", "id": "item-9"}
    assert refused(duty_list.revise, step(a_list(), {"items": [strange]}, facts=DutyFacts())).code == "UNKNOWN_ITEM"


@pytest.mark.parametrize(
    ("state", "round_", "code"), [("RETURNED", 2, None), ("RETURNED", 3, "ROUND_LIMIT"), ("DRAFT", 3, None)]
)
def test_after_the_third_round_the_owner_revises_no_more(state: str, round_: int, code: str | None) -> None:
    attempt = step(a_list(state=state, round=round_))
    if code is None:
        duty_list.rounds_left(attempt)
    else:
        assert refused(duty_list.rounds_left, attempt).code == code
    if state == "RETURNED" and code is None:
        assert refused(duty_list.rounds_over, attempt).code == "ROUND_OPEN"


def test_the_committee_decides_on_a_complete_list() -> None:
    case = a_list(state="RETURNED", round=3)
    duty_list.rounds_over(step(case))
    form = {"items": [{"title": "任务", "source": "GOAL", "weight": Decimal(100)}]}
    assert refused(duty_list.decide, step(case, form, facts=DutyFacts())).code == "SOURCE_MISSING"


@pytest.mark.parametrize(
    ("amendments", "day", "code"),
    [
        (0, date(2024, 10, 31), None),
        (1, date(2024, 5, 6), None),
        (2, date(2024, 5, 6), "AMEND_LIMIT"),
        (0, date(2024, 11, 1), "AMEND_LIMIT"),
    ],
)
def test_two_amendments_a_year_and_none_after_october(amendments: int, day: date, code: str | None) -> None:
    attempt = step(a_list(state="LOCKED", amendments=amendments), day=day)
    if code is None:
        duty_list.may_be_amended(attempt)
    else:
        assert refused(duty_list.may_be_amended, attempt).code == code


def test_an_amendment_waits_signed_until_its_review_and_can_be_withdrawn_before() -> None:
    assert refused(duty_list.amendment_waiting, step(a_list(state="LOCKED"))).code == "NO_AMENDMENT"
    proposed = {"items": [], "reason": "r", "proposed_on": "2024-05-06", "cosigned_by": None, "review": None}
    case = a_list(state="LOCKED", amendment=proposed, list_version=1)
    duty_list.amendment_waiting(step(case))
    assert refused(duty_list.amendment_cosigned, step(case)).code == "COSIGN_MISSING"
    duty_list.cosign(step(case))
    duty_list.amendment_cosigned(step(case))
    assert refused(duty_list.no_amendment_open, step(case)).status == 409
    case.amendment = {**case.amendment, "review": "r2"}
    assert refused(duty_list.something_to_cosign, step(case)).code == "NO_AMENDMENT"
    duty_list.adopt_amendment(step(case))
    assert (case.list_version, case.amendments, case.amendment, case.review) == (2, 1, None, "r2")


def test_a_list_is_closed_when_the_annual_assessment_is_final() -> None:
    assert refused(duty_list.annual_final, step(a_list(), facts=DutyFacts())).code == "ANNUAL_OPEN"
    duty_list.annual_final(step(a_list(), facts=DutyFacts(annual_final=True)))


# ---- joint reviews


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"SECTOR": None}, "MEMBER_MISSING"),
        ({"DISC": OWN}, "AVOIDANCE"),
        ({"SUPO": "unknown"}, "UNKNOWN_CADRE"),
    ],
)
def test_mandatory_offices_take_part_and_nobody_of_the_own_unit(change: dict[str, Any], code: str | None) -> None:
    units = {office: unit for office, unit in (OFFICES | change).items() if unit is not None}
    form = {"members": [{"cadre": f"member-{office}", "capacity": office} for office in units]}
    known = {f"member-{office}": unit for office, unit in units.items() if unit != "unknown"}
    attempt = step(a_list(), form, facts=DutyFacts(unit_of=known))
    if code is None:
        duty_list.open_review(attempt)
    else:
        assert refused(duty_list.open_review, attempt).code == code


def test_the_owner_reviews_nothing_of_the_own() -> None:
    named = [{"cadre": f"member-{office}", "capacity": office} for office in OFFICES]
    form = {"members": [*named, {"cadre": "cadre-1", "capacity": "OTHER"}]}
    known = {f"member-{office}": unit for office, unit in OFFICES.items()} | {"cadre-1": "D-NEW"}
    assert refused(duty_list.open_review, step(a_list(), form, facts=DutyFacts(unit_of=known))).code == "AVOIDANCE"


ALL_AGREE = ("AGREE", "AGREE", "AGREE_WITH_EDITS", "AGREE")


@pytest.mark.parametrize(
    ("review", "conclusion", "code"),
    [
        (a_review(*ALL_AGREE), "APPROVE", None),
        (a_review("AGREE", "AGREE", "AGREE"), "APPROVE", "OPINION_MISSING"),
        (a_review("AGREE", "AGREE", "AGREE", "ABSENT"), "APPROVE", "OPINION_MISSING"),
        (a_review("AGREE", "RETURN", "AGREE", "AGREE"), "APPROVE", "RETURN_GIVEN"),
        (a_review("AGREE", "RETURN"), "RETURN", None),
        (a_review(*ALL_AGREE), "RETURN", "RETURN_MISSING"),
        (
            a_review(*ALL_AGREE, members=[*a_review(*ALL_AGREE).members, member("OTHER", "RETURN")]),
            "APPROVE",
            "RETURN_GIVEN",
        ),
        (a_review(*ALL_AGREE, members=[*a_review(*ALL_AGREE).members, member("OTHER", "ABSENT")]), "APPROVE", None),
    ],
)
def test_what_a_review_may_conclude(review: Any, conclusion: str, code: str | None) -> None:
    attempt = step(review, {"conclusion": conclusion, "reason": "综合意见"})
    if code is None:
        joint_review.conclude(attempt)
        assert (review.conclusion, review.concluded_on) == (conclusion, attempt.at.date())
    else:
        assert refused(joint_review.conclude, attempt).code == code


def test_a_return_sums_up_the_comments() -> None:
    attempt = step(a_review("RETURN"), {"conclusion": "RETURN"})
    assert refused(joint_review.conclude, attempt).code == "COMMENT_REQUIRED"


@pytest.mark.parametrize(
    ("verdict", "comments", "code"),
    [
        ("AGREE", [], None),
        ("AGREE_WITH_EDITS", [], "COMMENT_REQUIRED"),
        ("RETURN", [], "COMMENT_REQUIRED"),
        ("RETURN", [{"item": "item-1", "text": "偏低"}], None),
        ("RETURN", [{"item": "item-9", "text": "偏低"}], "UNKNOWN_ITEM"),
        ("RETURN", [{"item": "item-1", "text": "绝密"}], "SECRECY_LEVEL"),
    ],
)
def test_a_return_or_edits_need_comments_on_items(verdict: str, comments: list[Any], code: str | None) -> None:
    review = a_review()
    actor = Actor("user", person="member-DISC")
    attempt = step(
        review,
        {"verdict": verdict, "item_comments": comments},
        facts=ReviewFacts(items=frozenset({"item-1"})),
        actor=actor,
        day=date(2024, 3, 18),
    )
    if code is None:
        joint_review.give_opinion(attempt)
        assert [(each["verdict"], each["late"]) for each in review.members] == [
            (None, False),
            (verdict, False),
            (None, False),
            (None, False),
        ]
    else:
        assert refused(joint_review.give_opinion, attempt).code == code


def test_who_does_not_answer_is_counted_absent_and_may_be_replaced() -> None:
    review = a_review("AGREE")
    joint_review.count_absent(step(review))
    assert [each["verdict"] for each in review.members] == ["AGREE", "ABSENT", "ABSENT", "ABSENT"]
    facts = ReviewFacts(unit_of={"new": "D-DISC"})
    joint_review.replace_member(step(review, {"member": "member-DISC", "by": "new"}, facts=facts))
    assert (review.members[1]["cadre"], review.members[1]["verdict"]) == ("new", None)
    given = step(review, {"member": "member-ORG", "by": "other"}, facts=ReviewFacts(unit_of={"other": "D-ORG"}))
    assert refused(joint_review.replace_member, given).code == "OPINION_GIVEN"
    nobody = step(review, {"member": "nobody", "by": "other"}, facts=facts)
    assert refused(joint_review.replace_member, nobody).code == "NOT_MEMBER"
