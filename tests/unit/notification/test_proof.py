"""Proofs: an image or a PDF that is what its type says, within the size that the rules allow."""

import pytest

from citybus.errors import Refusal
from notification.domain.proof import refuse_unfit
from tests.support.notification import MONDAY, rulebook

PNG = b"\x89PNG\r\n\x1a\n"
RULES = rulebook().on(MONDAY.date())


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        ("image/png", PNG, None),
        ("application/pdf", b"%PDF-1.7", None),
        ("image/png", b"", "PROOF_TYPE"),
        ("image/png", b"%PDF-1.7", "PROOF_TYPE"),
        ("text/html", b"<html>", "PROOF_TYPE"),
        ("image/png", PNG + bytes(10_485_760), "PROOF_TOO_LARGE"),
    ],
)
def test_what_may_be_a_proof(media_type: str, content: bytes, code: str | None) -> None:
    if code is None:
        refuse_unfit(media_type, content, RULES)
        return
    with pytest.raises(Refusal) as caught:
        refuse_unfit(media_type, content, RULES)
    assert caught.value.code == code
