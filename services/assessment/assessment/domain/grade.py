"""The grades of a person's year, from the best to the worst, and whether a year is graded at all (1.1, 1.2)."""

from enum import StrEnum
from typing import Final


class Grade(StrEnum):
    """优秀, 称职, 基本称职, 不称职: in this order."""

    EXCELLENT = "EXCELLENT"
    COMPETENT = "COMPETENT"
    BASICALLY_COMPETENT = "BASICALLY_COMPETENT"
    INCOMPETENT = "INCOMPETENT"

    @property
    def burden(self) -> int:
        """How heavy the grade is for the person: 0 is the best."""
        return _ORDER.index(self)


class GradeStatus(StrEnum):
    """Whether a year is graded, is left without a grade, or waits for a make-up grade (补定等次)."""

    GRADED = "GRADED"
    NO_GRADE = "NO_GRADE"
    PENDING_MAKEUP = "PENDING_MAKEUP"


_ORDER: Final = tuple(Grade)


def heavier(one: Grade, other: Grade) -> Grade:
    """Return the grade that burdens the person more."""
    return max(one, other, key=lambda grade: grade.burden)
