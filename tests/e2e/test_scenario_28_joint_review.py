"""Scenario 28 across the services: a duty list goes through three rounds of joint review, is locked, and amended twice."""

from dataclasses import replace
from typing import Any

from dandang.slice import cast
from dandang.slice.cast import Person
from tests.e2e.conftest import City
from tests.e2e.people import COMMITTEE, People
from tests.support.duty import items

UNIT = "黄石市档案局"
OFFICES = {"ORG": "黄石市委组织部", "DISC": "黄石市纪委监委", "SUPO": "黄石市委办公室", "SECTOR": "黄石市财政局"}
HEAD = Person("head-of-lists", "主要负责人", "Head of the unit", ("UNITHEAD",), cast.unit_code(UNIT))


def reviewers(people: People) -> dict[str, Person]:
    """Return who reviews for each office."""
    members = {capacity: people.member(unit, 2, f"reviewer-{capacity}") for capacity, unit in OFFICES.items()}
    return {capacity: replace(member, roles=("REVIEWER",), everywhere=True) for capacity, member in members.items()}


def review(people: People, path: str, action: str, returned_by: str | None = None) -> None:
    """Have the list at `path`, or its amendment, reviewed by all offices; one of them may return it."""
    offices = reviewers(people)
    members = [{"cadre": who.cadre, "capacity": capacity} for capacity, who in offices.items()]
    case = people.take(cast.RECORDS, "assessment", path, action, members=members)
    under_review = case["amendment"] or case
    at = f"/joint-reviews/{under_review['review']}"
    first = under_review["items"][0]["id"]
    for capacity, who in offices.items():
        returns = capacity == returned_by
        opinion = {"verdict": "RETURN", "item_comments": [{"item": first, "text": "目标值偏低(虚构)"}]}
        people.take(who, "assessment", at, "give-opinion", **(opinion if returns else {"verdict": "AGREE"}))
    if returned_by:
        refusal = people.refused(cast.RECORDS, "assessment", at, "conclude", conclusion="APPROVE")
        assert (refusal["status"], refusal["code"]) == (422, "RETURN_GIVEN")
    conclusion = (
        {"conclusion": "RETURN", "reason": "第一项目标值偏低(虚构)"} if returned_by else {"conclusion": "APPROVE"}
    )
    people.take(cast.RECORDS, "assessment", at, "conclude", **conclusion)


def refused(people: People, who: Person, path: str, action: str, **form: Any) -> tuple[int, str]:
    refusal = people.refused(who, "assessment", path, action, **form)
    return refusal["status"], refusal["code"]


def test_scenario_28_joint_review(city: City) -> None:
    people = People(city)
    people.at("2024-02-19T09:00", back=True)
    owner = people.member(UNIT, 1, "cadre-with-list")
    colleague = people.member(UNIT, 2, "cadre-beside")
    form = {"owner_kind": "CADRE", "owner": owner.cadre, "year": 2024, "kind": "DUTY"}
    made = people.post(owner, "assessment", "/duty-lists", **form, items=items(("60", "25", "10")))["id"]
    path = f"/duty-lists/{made}"
    refusal = people.refused(owner, "assessment", path, "submit")
    assert (refusal["status"], refusal["code"], refusal["figures"]["total"]) == (422, "WEIGHT_SUM", "95.00")
    no_problem = [each | {"source": "GOAL"} if each["source"] == "PROBLEM" else each for each in items()]
    people.take(owner, "assessment", path, "revise", items=no_problem)
    assert refused(people, owner, path, "submit") == (422, "SOURCE_MISSING")
    people.take(owner, "assessment", path, "revise", items=items())

    for round_ in (1, 2, 3):
        people.take(HEAD, "assessment", path, "cosign")
        people.take(owner, "assessment", path, "submit")
        if round_ == 1:
            members = [{"cadre": who.cadre, "capacity": capacity} for capacity, who in reviewers(people).items()]
            members[1]["cadre"] = colleague.cadre
            assert refused(people, cast.RECORDS, path, "open-review", members=members) == (422, "AVOIDANCE")
        review(people, path, "open-review", returned_by="DISC")
        returned = people.get(owner, "assessment", path)
        assert (returned["state"], returned["round"]) == ("RETURNED", round_)
        if round_ < 3:
            anew = [{"id": each["id"]} | item for each, item in zip(returned["items"], items(), strict=True)]
            people.take(owner, "assessment", path, "revise", items=anew)

    # After the third the committee decides; on the last day of March it is locked by itself.
    refusal = people.refused(owner, "assessment", path, "revise", items=items())
    assert (refusal["status"], refusal["code"], refusal["figures"]["decider"]) == (422, "ROUND_LIMIT", "COMM")
    assert people.take(COMMITTEE, "assessment", path, "decide", reason="研究决定(虚构)")["state"] == "APPROVED"
    people.at("2024-04-01T09:00")
    people.until(lambda: people.get(owner, "assessment", path)["state"] == "LOCKED", "the list is locked")

    # Two amendments, each reviewed; the third is one too many.
    people.at("2024-06-03T09:00")
    change = {"items": items(("50", "30", "20")), "reason": "省下达新任务(虚构)"}
    for _ in range(2):
        people.take(owner, "assessment", path, "amend", **change)
        people.take(HEAD, "assessment", path, "cosign")
        review(people, path, "review-amendment")
    assert refused(people, owner, path, "amend", **change) == (422, "AMEND_LIMIT")
    final = people.get(owner, "assessment", path)
    assert (final["state"], final["list_version"], final["amendments"]) == ("LOCKED", 3, 2)
    told = [event["type"].split(".")[2] for event in people.events("assessment", f"duty-list/{made}")]
    assert told == [*["submitted", "returned"] * 3, "approved", "locked", "amended", "amended"]
