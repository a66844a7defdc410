"""The documents that other matters bring, and the corrections of earlier notices."""

from typing import Any

import pytest

from citybus.ids import new_id
from notification.application.serve_notice import NOTICES
from notification.domain.document import Document
from tests.support.notification import BUREAU, DIRECT, LEAD, City, cadre, catalogue, example, head

WARNED = "supervision.recall.unit-warned.v1"
KNOWN = sorted(set(NOTICES) & set(catalogue().contracts) - {WARNED})


def matter(city: City, event_type: str, **changes: Any) -> Any:
    kind = catalogue().contracts[event_type].subject_kind
    return city.event(event_type, f"{kind}/{new_id()}", example(event_type) | {"cadre": LEAD} | changes)


@pytest.mark.parametrize("event_type", KNOWN)
def test_a_matter_brings_its_document_once(city: City, event_type: str) -> None:
    event = matter(city, event_type)
    told = city.receive(event)
    assert [each.type for each in told if each.type.startswith("notification.")] == ["notification.delivery.sent.v2"]
    city.receive(event)
    [case] = city.of(event)
    assert (case.document, case.recipient_id, case.state) == (NOTICES[event_type].document, LEAD, "SENT")
    text = city.text(case)
    assert "张甲（市发改委）" in text
    assert "$" not in text
    city.take(city.deliveries, case, "open", cadre())
    _, [signed] = city.take(city.deliveries, case, "sign", cadre())
    assert signed.type == "notification.delivery.signed.v2"
    assert (signed.data["document"], signed.data["ref"]) == (case.document, event.subject)


@pytest.mark.parametrize("event_type", [each for each in KNOWN if each.startswith("assessment.annual")])
def test_the_grade_of_a_leading_group_goes_to_its_unit(city: City, event_type: str) -> None:
    event = matter(city, event_type, cadre=None, subject_kind="GROUP", unit="420204", grade="GOOD")
    city.receive(event)
    [case] = city.of(event)
    assert (case.recipient_kind, case.recipient_id) == ("UNIT", "420204")
    assert "良好" in city.text(case)


def test_a_unit_that_is_warned_is_served_once(city: City) -> None:
    event = matter(city, WARNED, unit=BUREAU, reports_missed=2)
    city.receive(event)
    city.receive(event)
    [case] = city.of(event)
    assert (case.document, case.recipient_kind, case.recipient_id) == (Document.UNIT_WARNING, "UNIT", BUREAU)
    assert "有 2 次月度报告逾期未报" in city.text(case)
    assert "张甲" not in city.text(case)
    city.take(city.deliveries, case, "open", head())
    _, [signed] = city.take(city.deliveries, case, "sign", head())
    assert (signed.type, signed.data["document"]) == ("notification.delivery.signed.v2", "UNIT_WARNING")


def test_a_second_inquiry_is_served_anew(city: City) -> None:
    approved = "supervision.measure.approved.v1"
    first = matter(city, approved, kind="INQUIRE", state="APPROVED")
    again = city.event(approved, first.subject, dict(first.data) | {"state": "SECOND_INQUIRY"})
    for event in (first, first, again, again):
        city.receive(event)
    assert [(case.document, case.occasion, case.state) for case in city.of(first)] == [
        (Document.MEASURE_NOTICE, "", "SENT"),
        (Document.MEASURE_NOTICE, "inquiry/2", "SENT"),
    ]


def test_who_was_sent_a_notice_is_told_that_it_weighs_less_each_time(city: City) -> None:
    both = [{"cadre": LEAD, "role": "LEAD"}, {"cadre": DIRECT, "role": "DIRECT"}]
    notified = city.finding(responsible=both)
    city.receive(notified)
    finding = notified.data["finding"]
    for weight in ("1.0", "0.5"):
        changed = city.finding("weight-changed", finding, responsible=both, effective_weight=weight)
        city.receive(changed)
        city.receive(changed)
    corrections = [case for case in city.of(notified) if case.document == Document.FINDING_CORRECTION]
    assert sorted(case.recipient_id for case in corrections) == sorted([LEAD, LEAD, DIRECT, DIRECT])
    texts = [city.text(case) for case in corrections]
    assert all("分值已减轻" in text for text in texts)
    assert sorted("现分值 0.5" in text for text in texts) == [False, False, True, True]


def test_who_was_told_that_it_weighs_less_is_told_when_it_weighs_more_again(city: City) -> None:
    notified = city.finding()
    city.receive(notified)
    finding = notified.data["finding"]
    # Rectified in time, without any tolerance: nothing that was said is wrong by that.
    city.receive(city.finding("weight-changed", finding, effective_weight="1.0", tolerance=None))
    assert [case for case in city.of(notified) if case.document == Document.FINDING_CORRECTION] == []
    city.receive(city.finding("weight-changed", finding, effective_weight="0.5"))
    # The tolerance was revoked; then it relapsed.
    for weight in ("1.0", "3.0"):
        city.receive(city.finding("weight-changed", finding, effective_weight=weight, tolerance=None))
    corrections = [case for case in city.of(notified) if case.document == Document.FINDING_CORRECTION]
    told = sorted((case.particulars["weight"], case.particulars["correction"]) for case in corrections)
    assert told == [("0.5", "WEIGHED_LESS"), ("1.0", "WEIGHED_MORE"), ("3.0", "WEIGHED_MORE")]
    assert any("分值已重新核定" in city.text(case) for case in corrections)


def test_who_was_sent_no_notice_is_sent_no_correction(city: City) -> None:
    changed = city.finding("weight-changed")
    city.receive(changed)
    assert city.of(changed) == []


@pytest.mark.skipif(
    "supervision.finding.revoked.v1" not in catalogue().contracts, reason="supervision does not tell of it yet"
)
def test_who_was_sent_a_notice_is_told_that_the_finding_is_revoked(city: City) -> None:
    notified = city.finding()
    city.receive(notified)
    city.receive(city.finding("revoked", notified.data["finding"]))
    [correction] = [case for case in city.of(notified) if case.document == Document.FINDING_CORRECTION]
    assert "该问题已撤销" in city.text(correction)


def test_a_corrected_grade_is_served_anew_and_each_revision_once(city: City) -> None:
    approved = matter(city, "assessment.annual.approved.v1", revision=1)
    city.receive(approved)
    for step, revision in (("notified", 1), ("corrected", 2), ("notified", 2)):
        data = {**approved.data, "revision": revision}
        city.receive(city.event(f"assessment.annual.{step}.v1", approved.subject, data))
    cases = [case for case in city.of(approved) if case.document == Document.ANNUAL_RESULT]
    assert sorted(case.occasion for case in cases) == ["revision/1", "revision/2"]


def test_all_whom_it_concerns_are_told_that_a_tolerance_is_to_be_revoked_and_that_it_was(city: City) -> None:
    both = [{"kind": "UNIT", "id": BUREAU}, {"kind": "CADRE", "id": LEAD}]
    noticed = city.tolerance("revocation-noticed", recipients=both, revoked_on=None)
    city.receive(noticed)
    city.receive(noticed)
    city.receive(city.tolerance("revoked", noticed.data["case"], recipients=both, revoked_on="2024-07-08"))
    told = city.of(noticed)
    assert sorted((case.document, case.recipient_kind, case.recipient_id) for case in told) == sorted(
        (document, each["kind"], each["id"])
        for document in (Document.TOLERANCE_REVOCATION_NOTICE, Document.TOLERANCE_REVOCATION)
        for each in both
    )
    texts = {case.document: city.text(case) for case in told if case.recipient_id == LEAD}
    assert "你有权陈述和申辩" in texts[Document.TOLERANCE_REVOCATION_NOTICE]
    assert "已于 2024-07-08 撤销" in texts[Document.TOLERANCE_REVOCATION]


@pytest.mark.parametrize(("kind", "told"), [("CADRE", 2), ("ORGAN", 0)])
def test_who_asked_is_told_each_time_that_an_application_is_not_accepted(city: City, kind: str, told: int) -> None:
    applicant = {"kind": kind, "id": LEAD if kind == "CADRE" else "420200-DISC"}
    refused = city.tolerance("not-accepted", applicant=applicant)
    again = city.tolerance("not-accepted", refused.data["case"], applicant=applicant)
    for event in (refused, refused, again):
        city.receive(event)
    found = city.of(refused)
    assert [case.document for case in found] == [Document.TOLERANCE_NOT_ACCEPTED] * told
    assert all("不予受理" in city.text(case) for case in found)


@pytest.mark.parametrize(
    ("notice", "change", "changes", "words"),
    [
        ("supervision.recall.notified.v1", "supervision.recall.cancelled.v1", {}, "召回管理"),
        ("supervision.measure.approved.v1", "supervision.measure.closed.v1", {"state": "REVOKED"}, "已撤销"),
        (
            "supervision.measure.approved.v1",
            "supervision.measure.delivered.v1",
            {"eased": True, "effect_until": "2024-07-01"},
            "2024-07-01",
        ),
        (
            "supervision.sanction.recorded.v1",
            "supervision.sanction.modified.v1",
            {"end_on": "2024-10-15"},
            "2024-10-15",
        ),
        ("supervision.sanction.recorded.v1", "supervision.sanction.revoked.v1", {}, "处分（处理）"),
        ("supervision.adjustment.decided.v1", "supervision.adjustment.reversed.v1", {}, "调整决定"),
    ],
)
def test_who_was_sent_a_notice_is_told_what_became_of_the_matter(
    city: City, notice: str, change: str, changes: dict[str, Any], words: str
) -> None:
    notified = matter(city, notice)
    city.receive(notified)
    changed = city.event(change, notified.subject, example(change) | {"cadre": LEAD} | changes)
    city.receive(changed)
    city.receive(changed)
    [correction] = [case for case in city.of(notified) if case.document == Document.NOTICE_CORRECTION]
    assert (correction.recipient_id, correction.state) == (LEAD, "SENT")
    assert words in city.text(correction)
    # Nobody is told of what they were never told of.
    unheard = matter(city, change, **changes)
    city.receive(unheard)
    assert city.of(unheard) == []


def test_a_measure_that_takes_its_course_corrects_no_notice(city: City) -> None:
    notified = matter(city, "supervision.measure.approved.v1")
    city.receive(notified)
    for step, data in (("delivered", {"eased": False}), ("closed", {"state": "CLOSED"})):
        event_type = f"supervision.measure.{step}.v1"
        city.receive(city.event(event_type, notified.subject, example(event_type) | {"cadre": LEAD} | data))
    assert [case.document for case in city.of(notified)] == [Document.MEASURE_NOTICE]


def test_an_outcome_that_an_appeal_made_lighter_is_served_anew(city: City) -> None:
    decided = matter(city, "supervision.recall.outcome.v1", outcome="REMOVED")
    lighter = city.event("supervision.recall.outcome.v1", decided.subject, dict(decided.data) | {"outcome": "ADJUSTED"})
    for event in (decided, lighter, lighter):
        city.receive(event)
    outcomes = [case for case in city.of(decided) if case.document == Document.RECALL_OUTCOME]
    assert sorted(case.particulars["outcome"] for case in outcomes) == ["ADJUSTED", "REMOVED"]
