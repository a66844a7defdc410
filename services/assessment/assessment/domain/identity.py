"""Resident identity numbers (公民身份号码, GB 11643): eighteen characters with a birth date and a check digit.

The first six digits are not looked up: divisions that were renamed before 1983 are in no list, and their people are in
the roster. A number whose sequence digits are 000 is right in form and was given to nobody: sample people have such.
"""

import re
import unicodedata
from datetime import date
from typing import Final

from stdnum.cn import ric
from stdnum.exceptions import InvalidComponent

_FORM: Final = re.compile(r"[1-9][0-9]{16}[0-9X]")
_EARLIEST: Final = 1900


class IdentityProblem(Exception):
    """A number that cannot be one. `code`: `ID_NUMBER_FORMAT`, `ID_NUMBER_BIRTH` or `ID_NUMBER_CHECK_DIGIT`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def normal(number: str) -> str:
    """Return `number` as it is stored: no spaces, ASCII digits, a capital X."""
    return "".join(unicodedata.normalize("NFKC", number).split()).upper()


def birth_of(number: str, today: date) -> date:
    """Return the birth date in `number` (in its normal form). Raises IdentityProblem."""
    if not _FORM.fullmatch(number):
        raise IdentityProblem("ID_NUMBER_FORMAT")
    try:
        birth: date = ric.get_birth_date(number)
    except InvalidComponent:
        raise IdentityProblem("ID_NUMBER_BIRTH") from None
    if birth.year < _EARLIEST or birth > today:
        raise IdentityProblem("ID_NUMBER_BIRTH")
    if ric.calc_check_digit(number) != number[-1]:
        raise IdentityProblem("ID_NUMBER_CHECK_DIGIT")
    return birth
