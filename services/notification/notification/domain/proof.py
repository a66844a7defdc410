"""Proofs (N5): what shows that a channel brought a bulletin, an image or a PDF of limited size."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from citybus.errors import Refusal
from citybus.rulepack import Rules

BEGINNINGS: Final[Mapping[str, bytes]] = MappingProxyType(
    {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
)
"""Media types that a proof may have, with how a file of each begins."""
MAX_UPLOAD: Final = 32 << 20
"""The most that is read at all, in bytes; the rule `publication.proof_max_bytes` is at most this."""


def refuse_unfit(media_type: str, content: bytes, rules: Rules) -> None:
    """Raise where a file cannot be a proof: 413 `PROOF_TOO_LARGE`, 415 `PROOF_TYPE` (or it is not what its type says)."""
    limit = rules["publication.proof_max_bytes"]
    if len(content) > limit:
        raise Refusal(
            "PROOF_TOO_LARGE",
            zh="文件过大。",
            en="The file is too large.",
            status=413,
            bytes=len(content),
            limit=limit,
        )
    if media_type not in BEGINNINGS or not content.startswith(BEGINNINGS[media_type]):
        raise Refusal(
            "PROOF_TYPE",
            zh="只接受 PDF、JPEG 或 PNG 文件。",
            en="A proof is a PDF, JPEG or PNG file.",
            status=415,
            accepted=sorted(BEGINNINGS),
        )
