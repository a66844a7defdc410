"""The forms of requests: what they take as it is, and what they send back."""

from decimal import Decimal
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from supervision.schemas.requests import Marked, PhaseResult

RESULT = {"phase": 1, "score": "80", "attendance": "100"}
MARK = {"score": "80", "text": "考察评估"}


@pytest.mark.parametrize(
    ("form", "whole", "field"),
    [(PhaseResult, RESULT, "score"), (PhaseResult, RESULT, "attendance"), (Marked, MARK, "score")],
)
@pytest.mark.parametrize("value", ["69.995", "59.9999", 89.995])
def test_nobody_is_rounded_over_a_threshold(form: type[Schema], whole: dict[str, Any], field: str, value: Any) -> None:
    """69.995 points are fewer than 70: what has more than two decimals is sent back, not rounded."""
    with pytest.raises(ValidationError) as caught:
        form().load(whole | {field: value})
    assert list(caught.value.normalized_messages()) == [field]


@pytest.mark.parametrize("value", ["69.99", "70", "70.00", 69.5, 0])
def test_two_decimals_are_taken_as_they_are(value: Any) -> None:
    assert PhaseResult().load(RESULT | {"score": value})["score"] == Decimal(str(value))
