"""Scenario 28: a duty list from its draft through three rounds of joint review, the lock, and the third amendment."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from citybus import tables
from citybus.clock import ZONE
from tests.support.assessment import MONDAY, City
from tests.support.duty import (
    ASSESSOR,
    COMMITTEE,
    HEAD,
    OFFICES,
    OWN,
    Clerk,
    items,
    person,
    roster_of_offices,
)

IN_TIME = datetime(2024, 2, 19, 9, tzinfo=ZONE)


@pytest.fixture(scope="module")
def clerk(module_city: City) -> Clerk:
    module_city.clock.set(MONDAY)
    assert module_city.import_(roster_of_offices()).state == "IMPORTED"
    return Clerk(module_city)


def draft(owner: str, items_: Any, **changes: Any) -> dict[str, Any]:
    return {"owner_kind": "CADRE", "owner": owner, "year": 2024, "kind": "DUTY", "items": items_} | changes


def members(clerk: Clerk, **changes: str) -> list[dict[str, str]]:
    cadres = clerk.cadres()
    named = {office: cadres[unit][0] for office, unit in OFFICES.items()} | changes
    return [{"cadre": cadre, "capacity": office} for office, cadre in named.items() if cadre]


def reviewer(clerk: Clerk, office: str) -> dict[str, Any]:
    return person(clerk.cadres()[OFFICES[office]][0], OFFICES[office], "REVIEWER")


def give(clerk: Clerk, path: str, **verdicts: str) -> None:
    """Let each office give its verdict on the review; a return names the first item of the list."""
    listed = clerk.get(COMMITTEE, f"/duty-lists/{clerk.get(COMMITTEE, path).json['duty_list']}").json
    under_review = (listed["amendment"] or listed)["items"]
    for office in OFFICES:
        verdict = verdicts.get(office, "AGREE")
        comments = [] if verdict == "AGREE" else [{"item": under_review[0]["id"], "text": "目标值偏低"}]
        clerk.done(reviewer(clerk, office), path, "give-opinion", {"verdict": verdict, "item_comments": comments})


def types_of(city: City, subject: str) -> list[str]:
    messages = tables.outbox_messages
    rows = city.rows(messages, messages.c.subject == subject)
    return [row.type.split(".")[2] for row in sorted(rows, key=lambda row: row.position)]


def test_scenario_28_joint_review(clerk: Clerk, city: City) -> None:
    city.clock.set(IN_TIME)
    owner, colleague = clerk.cadres()[OWN]
    me = person(owner, OWN)
    opened = clerk.post(me, "/duty-lists", draft(owner, items(("60", "25", "10"))))
    assert opened.status_code == 201, opened.json
    path = f"/duty-lists/{opened.json['id']}"
    assert clerk.post(me, "/duty-lists", draft(owner, items())).json["code"] == "DUPLICATE"

    # The draft must be signed by the head, its weights total 100, each orientation have an item, all be measurable.
    # What is wrong with the list is said before the head is troubled with it.
    answer = clerk.take(me, path, "submit")
    assert (answer.status_code, answer.json["code"]) == (422, "WEIGHT_SUM")
    assert answer.json["figures"] == {"total": "95.00", "wanted": "100", "tolerance": "0.01"}
    no_problem = [each | {"source": "GOAL"} if each["source"] == "PROBLEM" else each for each in items()]
    vague = [{key: value for key, value in each.items() if key != "measure"} for each in items()]
    for wrong, code in (
        (no_problem, "SOURCE_MISSING"),
        (vague, "NOT_MEASURABLE"),
        (items(due="2025-01-01"), "NOT_MEASURABLE"),
    ):
        clerk.done(me, path, "revise", {"items": wrong})
        assert clerk.refused(me, path, "submit") == (422, code)
    clerk.done(me, path, "revise", {"items": items()})
    assert clerk.refused(me, path, "submit") == (422, "COSIGN_MISSING")
    clerk.done(HEAD, path, "cosign")
    assert clerk.done(me, path, "submit")["late"] is False

    # Three rounds, each with one RETURN.
    assert clerk.refused(ASSESSOR, path, "open-review", {"members": members(clerk, SECTOR="")}) == (
        422,
        "MEMBER_MISSING",
    )
    assert clerk.refused(ASSESSOR, path, "open-review", {"members": members(clerk, DISC=colleague)}) == (
        422,
        "AVOIDANCE",
    )
    for round_ in (1, 2, 3):
        review = f"/joint-reviews/{clerk.done(ASSESSOR, path, 'open-review', {'members': members(clerk)})['review']}"
        give(clerk, review, DISC="RETURN")
        assert clerk.refused(ASSESSOR, review, "conclude", {"conclusion": "APPROVE"}) == (422, "RETURN_GIVEN")
        assert clerk.refused(ASSESSOR, review, "conclude", {"conclusion": "RETURN"}) == (422, "COMMENT_REQUIRED")
        clerk.done(ASSESSOR, review, "conclude", {"conclusion": "RETURN", "reason": "第一项目标值偏低"})
        returned = clerk.get(me, path).json
        assert (returned["state"], returned["round"]) == ("RETURNED", round_)
        said = clerk.get(me, f"{review}/opinions").json["items"]
        assert [each["verdict"] for each in said if each["capacity"] == "DISC"] == ["RETURN"]
        if round_ < 3:
            assert clerk.refused(COMMITTEE, path, "decide", {"reason": "研究决定"}) == (422, "ROUND_OPEN")
            again = clerk.done(
                me,
                path,
                "revise",
                {"items": [{"id": each["id"]} | new for each, new in zip(returned["items"], items(), strict=True)]},
            )
            assert [each["id"] for each in again["items"]] == [each["id"] for each in returned["items"]]
            clerk.done(HEAD, path, "cosign")
            clerk.done(me, path, "submit")

    # After the third the committee decides.
    answer = clerk.take(me, path, "revise", {"items": items()})
    assert (answer.status_code, answer.json["code"], answer.json["figures"]["decider"]) == (422, "ROUND_LIMIT", "COMM")
    assert clerk.done(COMMITTEE, path, "decide", {"reason": "市委常委会研究决定"})["state"] == "APPROVED"

    # Locked by itself when 31 March is over.
    city.clock.set(datetime(2024, 3, 31, 23, tzinfo=ZONE))
    clerk.fire()
    assert clerk.get(me, path).json["state"] == "APPROVED"
    city.clock.set(datetime(2024, 4, 1, 0, tzinfo=ZONE))
    clerk.fire()
    assert (clerk.get(me, path).json["state"], clerk.get(me, path).json["list_version"]) == ("LOCKED", 1)

    # Two amendments, each with its own review; a refused one does not count; the third is one too many.
    city.clock.set(datetime(2024, 6, 3, 9, tzinfo=ZONE))
    change = {"items": items(("50", "30", "20")), "reason": "省下达新任务"}
    for adopted in (False, True, True):
        assert clerk.refused(me, path, "amend", {"items": items()}) == (422, "REASON_MISSING")
        clerk.done(me, path, "amend", change)
        assert clerk.refused(me, path, "amend", change) == (409, "AMENDMENT_PENDING")
        opening = {"members": members(clerk)}
        assert clerk.refused(ASSESSOR, path, "review-amendment", opening) == (422, "COSIGN_MISSING")
        clerk.done(HEAD, path, "cosign")
        review = f"/joint-reviews/{clerk.done(ASSESSOR, path, 'review-amendment', opening)['amendment']['review']}"
        give(clerk, review, **({} if adopted else {"SUPO": "RETURN"}))
        conclusion = {"conclusion": "APPROVE"} if adopted else {"conclusion": "RETURN", "reason": "依据不足"}
        clerk.done(ASSESSOR, review, "conclude", conclusion)
    final = clerk.get(me, path).json
    assert (final["state"], final["list_version"], final["amendments"], final["amendment"]) == ("LOCKED", 3, 2, None)
    assert clerk.refused(me, path, "amend", change) == (422, "AMEND_LIMIT")
    versions = clerk.get(me, f"{path}/versions").json["items"]
    assert [(each["version"], each["reason"]) for each in versions] == [
        (1, None),
        (2, "省下达新任务"),
        (3, "省下达新任务"),
    ]
    assert [each["weight"] for each in versions[2]["items"]] == ["50.00", "30.00", "20.00"]
    assert clerk.refused(ASSESSOR, path, "close") == (422, "ANNUAL_OPEN")
    told = types_of(city, f"duty-list/{final['id']}")
    assert told == [*["submitted", "returned"] * 3, "approved", "locked", "returned", "amended", "amended"]


def test_silence_is_no_agreement_and_an_absent_member_is_replaced(clerk: Clerk, city: City) -> None:
    city.clock.set(IN_TIME)
    _, colleague = clerk.cadres()[OWN]
    staff = {"sub": "staff", "roles": ["UNITHR"], "scope": {"units": [OWN], "unit": OWN}}
    path = f"/duty-lists/{clerk.post(staff, '/duty-lists', draft(colleague, items())).json['id']}"
    clerk.done(HEAD, path, "cosign")
    clerk.done(staff, path, "submit")
    review = f"/joint-reviews/{clerk.done(ASSESSOR, path, 'open-review', {'members': members(clerk)})['review']}"
    # Before the conclusion the owner's side sees nothing of it.
    assert clerk.get(person(colleague, OWN), review).json["code"] == "DATA_SCOPE"
    assert clerk.get(person(colleague, OWN), "/joint-reviews").json["items"] == []
    stranger = person(clerk.cadres()[OWN][0], "D-OTHER", "REVIEWER")
    assert clerk.refused(stranger, review, "give-opinion", {"verdict": "AGREE"}) == (403, "NOT_MEMBER")
    own = person(colleague, OWN, "REVIEWER")
    assert clerk.refused(own, review, "give-opinion", {"verdict": "AGREE"}) == (422, "AVOIDANCE")
    for office in ("ORG", "DISC", "SUPO"):
        clerk.done(reviewer(clerk, office), review, "give-opinion", {"verdict": "AGREE"})
    assert clerk.refused(reviewer(clerk, "ORG"), review, "give-opinion", {"verdict": "RETURN"}) == (
        422,
        "COMMENT_REQUIRED",
    )
    assert clerk.refused(ASSESSOR, review, "conclude", {"conclusion": "APPROVE"}) == (422, "OPINION_MISSING")
    assert clerk.refused(ASSESSOR, review, "conclude", {"conclusion": "RETURN", "reason": "缺"}) == (
        422,
        "RETURN_MISSING",
    )

    # Ten working days after Monday 19 February: 4 March.
    assert clerk.get(ASSESSOR, review).json["due_on"] == "2024-03-04"
    city.clock.set(datetime(2024, 3, 5, 0, tzinfo=ZONE))
    clerk.fire()
    verdicts = {each["capacity"]: each["verdict"] for each in clerk.get(ASSESSOR, review).json["members"]}
    assert verdicts == {"ORG": "AGREE", "DISC": "AGREE", "SUPO": "AGREE", "SECTOR": "ABSENT"}
    assert clerk.refused(ASSESSOR, review, "conclude", {"conclusion": "APPROVE"}) == (422, "OPINION_MISSING")
    sector = clerk.cadres()[OFFICES["SECTOR"]][0]
    swap = {"member": sector, "by": colleague, "reason": "出差"}
    assert clerk.refused(ASSESSOR, review, "replace-member", swap) == (422, "AVOIDANCE")
    assert clerk.refused(ASSESSOR, review, "replace-member", swap | {"by": clerk.cadres()[OFFICES["ORG"]][0]}) == (
        422,
        "ALREADY_MEMBER",
    )
    # The absent member answers after all: late, and it counts.
    done = clerk.done(reviewer(clerk, "SECTOR"), review, "give-opinion", {"verdict": "AGREE"})
    assert [each["late"] for each in done["members"] if each["capacity"] == "SECTOR"] == [True]
    clerk.done(ASSESSOR, review, "conclude", {"conclusion": "APPROVE"})
    assert clerk.get(person(colleague, OWN), path).json["state"] == "APPROVED"
    assert clerk.done(ASSESSOR, path, "lock")["list_version"] == 1
    assert clerk.get(person(colleague, OWN), review).json["conclusion"] == "APPROVE"


def test_a_late_list_gives_its_reason_and_is_marked(clerk: Clerk, city: City) -> None:
    city.clock.set(datetime(2024, 2, 29, 9, tzinfo=ZONE))
    path = f"/duty-lists/{clerk.post(HEAD, '/duty-lists', draft(OWN, items(), owner_kind='UNIT')).json['id']}"
    assert clerk.refused(HEAD, path, "submit") == (422, "LATE_SUBMISSION")
    assert clerk.done(HEAD, path, "submit", {"reason": "机构改革"})["late"] is True


def test_who_sees_which_lists(clerk: Clerk, city: City) -> None:
    city.clock.set(IN_TIME + timedelta(hours=1))
    owner, colleague = clerk.cadres()[OWN]
    clerk.post(HEAD, "/duty-lists", draft(owner, items(), kind="POLITICAL"))

    def seen(who: Any) -> set[str]:
        return {each["owner"] for each in clerk.get(who, "/duty-lists?kind=POLITICAL").json["items"]}

    assert seen(ASSESSOR) == seen(HEAD) == seen(person(owner, OWN)) == {owner}
    assert seen(person(colleague, OWN)) == set()
    elsewhere = {"sub": "other", "roles": ["UNITHEAD"], "scope": {"units": ["D-SUPO"], "unit": "D-SUPO"}}
    assert seen(elsewhere) == set()
    assert (
        clerk.post(person(colleague, OWN), "/duty-lists", draft(owner, items(), kind="DUTY", year=2025)).json["code"]
        == "DATA_SCOPE"
    )
