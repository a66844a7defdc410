"""A fault-tolerance case that was revoked: the finding weighs again what it would without it (I6)."""

from typing import Any

import pytest

from citybus import tables
from citybus.ids import new_id
from tests.support.supervision import City


def granted(city: City, finding: Any, case: str, factor: str = "0.5", step: str = "effective") -> list[Any]:
    """Let supervision hear that a case took a step that says how much it eases the finding."""
    decision = {"0.0": "EXEMPT", "0.5": "MITIGATE"}[factor]
    return city.receive("supervision.incentive", city.tolerance(finding, case, step, decision=decision, factor=factor))


def weight(city: City, finding: Any) -> tuple[str, str | None]:
    found = city.again(finding)
    return str(found.effective_weight.normalize()), found.tolerance_case


@pytest.mark.parametrize("twice", [False, True])
def test_a_finding_weighs_in_full_again(city: City, twice: bool) -> None:
    finding, case = city.verified(), new_id()
    granted(city, finding, case)
    assert weight(city, finding) == ("1", case)
    revoked = city.tolerance(finding, case, "revoked", decision="MITIGATE", factor="0.5")
    (event,) = city.receive("supervision.incentive", revoked)
    if twice:
        assert city.receive("supervision.incentive", revoked) == []
    assert weight(city, finding) == ("2", None)
    assert (event.type, event.data["effective_weight"], event.data["tolerance"]) == (
        "supervision.finding.weight-changed.v1",
        "2.0",
        None,
    )
    assert event.causationid == revoked.id


def test_the_lightest_of_the_other_cases_takes_its_place(city: City) -> None:
    finding, exempted, mitigated = city.verified(), new_id(), new_id()
    granted(city, finding, mitigated)
    granted(city, finding, exempted, "0.0")
    granted(city, finding, mitigated, step="closed")
    assert weight(city, finding) == ("0", exempted)
    granted(city, finding, exempted, "0.0", step="revoked")
    assert weight(city, finding) == ("1", mitigated)


def test_a_case_that_eases_nothing_is_revoked_without_effect(city: City) -> None:
    finding, exempted, mitigated = city.verified(), new_id(), new_id()
    granted(city, finding, exempted, "0.0")
    granted(city, finding, mitigated)
    assert granted(city, finding, mitigated, step="revoked") == []
    assert weight(city, finding) == ("0", exempted)
    table = tables.audit_entries
    (entry,) = city.rows(table, table.c.target == f"finding/{finding.id}", table.c.action == "finding.undo_tolerance")
    assert entry.result == "NOT_APPLIED"
