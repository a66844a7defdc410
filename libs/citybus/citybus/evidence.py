"""Evidence (X9): which files may be kept as such, by the kinds and the size that the rules allow."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from citybus.errors import Refusal
from citybus.rulepack import Rules
from citybus.secrecy import refuse_marked

_ZIP: Final = (b"PK\x03\x04",)
BEGINNINGS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType(
    {
        "application/pdf": (b"%PDF-",),
        "image/jpeg": (b"\xff\xd8\xff",),
        "image/png": (b"\x89PNG\r\n\x1a\n",),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _ZIP,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _ZIP,
    }
)
"""Media types that evidence may have, with how a file of each begins."""
MAX_UPLOAD: Final = 32 << 20
"""The most that is read at all, in bytes; the rule `evidence.max_bytes` is at most this."""


def refuse_unfit(name: str, media_type: str, content: bytes, rules: Rules) -> None:
    """Raise where a file cannot be evidence.

    413 `EVIDENCE_TOO_LARGE`, 415 `EVIDENCE_TYPE` (kind not allowed, or the content is not of that kind), 422
    `EVIDENCE_EMPTY`, 451 `SECRECY_LEVEL` where its name bears a mark of state secrets.
    """
    if not content:
        raise Refusal("EVIDENCE_EMPTY", zh="文件是空的。", en="The file is empty.")
    limit = rules["evidence.max_bytes"]
    if len(content) > limit:
        raise Refusal(
            "EVIDENCE_TOO_LARGE",
            zh="文件过大。",
            en="The file is too large.",
            status=413,
            bytes=len(content),
            limit=limit,
        )
    if media_type not in rules["evidence.media_types"] or not content.startswith(BEGINNINGS.get(media_type, ())):
        raise Refusal(
            "EVIDENCE_TYPE",
            zh="不接受该类型的文件，或内容与类型不符。",
            en="Files of this type are not taken, or the content is not what the type says.",
            status=415,
            accepted=list(rules["evidence.media_types"]),
        )
    refuse_marked([name], rules)
