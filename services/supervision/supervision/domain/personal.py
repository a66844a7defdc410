"""What a text for the public must never hold (S8): ID numbers, telephone numbers, addresses, family, health.

Named may be a person's name, post, unit, the facts and the measure; all else about a person is none of the public's
business (个人信息保护法, articles 6, 25 and 28).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from stdnum import luhn
from stdnum.cn import ric
from stdnum.exceptions import InvalidComponent

from citybus.errors import Refusal
from citybus.rulepack import Rules

_CHINESE_DIGITS: Final = str.maketrans("〇零一二三四五六七八九", "00123456789")
# What people put between digits, in the hope that a number is not taken for one.
_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])[\s\-‐-―_.·•,、/\\*|]+(?=[0-9Xx])")
_RUN: Final = re.compile(r"[0-9]{15,}[Xx]?")
_CARD: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9]{16,17}|[0-9]{19})(?![0-9A-Za-z])")
_ID_LENGTH: Final = 18
_OLD_ID_LENGTH: Final = 15
_EARLIEST: Final = 1900


def refuse_personal(texts: Iterable[str | None], rules: Rules, today: date) -> None:
    """Raise 422 `PII_FORBIDDEN` where one of `texts` holds what must not be public. It tells the kinds, never the words.

    The patterns are rules; numbers of persons and bank cards are recognised by their structure.
    """
    found: dict[str, Mapping[str, Any]] = {}
    forbidden: Mapping[str, Mapping[str, Any]] = rules["bulletin.forbidden"]
    for text in texts:
        if text:
            found |= {kind: forbidden[kind] for kind in _kinds(text, forbidden, today)}
    if found:
        raise Refusal(
            "PII_FORBIDDEN",
            zh=f"公开文本不得包含:{'、'.join(each['zh'] for each in found.values())}。",
            en=f"A public text must not hold: {', '.join(each['en'] for each in found.values())}.",
            kinds=sorted(found),
        )


def _kinds(text: str, forbidden: Mapping[str, Mapping[str, Any]], today: date) -> set[str]:
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) not in ("Cf", "Mn")
    )
    digits = plain.translate(_CHINESE_DIGITS)
    joined = _BETWEEN_DIGITS.sub("", digits)
    forms = (plain, digits, joined, "".join(plain.split()))
    kinds = {
        kind
        for kind, entry in forbidden.items()
        if any(re.search(pattern, form) for pattern in entry["patterns"] for form in forms)
    }
    if _holds_id(digits, joined, today):
        kinds.add("ID_NUMBER")
    if any(luhn.is_valid(run) for run in _CARD.findall(joined)):
        kinds.add("BANK_CARD")
    return kinds


def _holds_id(digits: str, joined: str, today: date) -> bool:
    # An unbroken number of that length is taken for one even with a slip in it: it would still point at somebody.
    if any(len(run) == _ID_LENGTH for run in _RUN.findall(digits)):
        return True
    for run in _RUN.findall(joined):
        windows = [run[at : at + _ID_LENGTH].upper() for at in range(len(run) - _ID_LENGTH + 1)]
        certain = len(windows) == 1
        if any(_born(window, today) and (certain or ric.is_valid(window)) for window in windows):
            return True
        if len(run) == _OLD_ID_LENGTH and _born(f"{run[:6]}19{run[6:]}0", today):
            return True
    return False


def _born(number: str, today: date) -> bool:
    try:
        birth: date = ric.get_birth_date(number)
    except (InvalidComponent, ValueError):
        return False
    return birth.year >= _EARLIEST and birth <= today
