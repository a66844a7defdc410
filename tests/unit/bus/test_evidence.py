"""Which files may be evidence."""

import pytest

from citybus.errors import Refusal
from citybus.evidence import BEGINNINGS, refuse_unfit
from tests.support.supervision import MONDAY, PDF, rulebook

RULES = rulebook().on(MONDAY.date())


def test_every_allowed_kind_says_how_its_files_begin() -> None:
    assert set(RULES["evidence.media_types"]) == set(BEGINNINGS)


@pytest.mark.parametrize("media_type", sorted(BEGINNINGS))
def test_a_file_of_an_allowed_kind_passes(media_type: str) -> None:
    refuse_unfit("a", media_type, BEGINNINGS[media_type][0] + b"rest", RULES)


@pytest.mark.parametrize(
    ("name", "media_type", "content", "code", "status"),
    [
        ("a.pdf", "application/pdf", b"", "EVIDENCE_EMPTY", 422),
        ("a.exe", "application/x-msdownload", b"MZ", "EVIDENCE_TYPE", 415),
        ("a.pdf", "application/pdf", b"MZ", "EVIDENCE_TYPE", 415),
        ("a.html", "text/html", b"<script>", "EVIDENCE_TYPE", 415),
        ("a.pdf", "application/pdf", PDF + b" " * (20 << 20), "EVIDENCE_TOO_LARGE", 413),
        ("机密文件.pdf", "application/pdf", PDF, "SECRECY_LEVEL", 451),
    ],
)
def test_an_unfit_file_is_refused(name: str, media_type: str, content: bytes, code: str, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        refuse_unfit(name, media_type, content, RULES)
    assert (caught.value.code, caught.value.status) == (code, status)
