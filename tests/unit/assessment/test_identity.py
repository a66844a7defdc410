"""Identity numbers: form, birth date and check digit are checked, the division is not."""

from datetime import date

import pytest

from assessment.domain.identity import IdentityProblem, birth_of, normal
from tests.support.assessment import id_number

TODAY = date(2024, 3, 4)


@pytest.mark.parametrize(
    ("number", "birth"),
    [
        ("360426199101010071", date(1991, 1, 1)),
        (id_number(date(1980, 3, 15)), date(1980, 3, 15)),
        # A division that was renamed in 1982, and one that never was.
        (id_number(date(1960, 2, 29), area="422124"), date(1960, 2, 29)),
        (id_number(date(2024, 3, 4), area="999999"), TODAY),
    ],
)
def test_a_right_number_gives_the_birth_date(number: str, birth: date) -> None:
    assert birth_of(number, TODAY) == birth


def test_check_digits_reach_from_0_to_x() -> None:
    numbers = {id_number(date(1970, 1, day)) for day in range(1, 32)}
    assert {number[-1] for number in numbers} == set("0123456789X")
    for number in numbers:
        birth_of(number, TODAY)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "ID_NUMBER_FORMAT"),
        ("420202800315000", "ID_NUMBER_FORMAT"),
        (id_number() + "0", "ID_NUMBER_FORMAT"),
        ("4202021980031500O3", "ID_NUMBER_FORMAT"),
        ("020202198003150003", "ID_NUMBER_FORMAT"),
        ("４２０２０２１９８００３１５０００３", "ID_NUMBER_FORMAT"),
        ("420202198013150003", "ID_NUMBER_BIRTH"),
        ("420202198102290003", "ID_NUMBER_BIRTH"),
        (id_number(date(1899, 12, 31)), "ID_NUMBER_BIRTH"),
        (id_number(date(2024, 3, 5)), "ID_NUMBER_BIRTH"),
        ("420202198003150004", "ID_NUMBER_CHECK_DIGIT"),
        ("360426199101010072", "ID_NUMBER_CHECK_DIGIT"),
    ],
)
def test_a_wrong_number_says_what_is_wrong(number: str, code: str) -> None:
    with pytest.raises(IdentityProblem) as problem:
        birth_of(number, TODAY)
    assert problem.value.code == code


def test_each_digit_counts() -> None:
    number = id_number()
    for place in range(14, 17):
        for digit in "123456789":
            with pytest.raises(IdentityProblem):
                birth_of(number[:place] + digit + number[place + 1 :], TODAY)


def test_width_spaces_and_case_are_no_difference() -> None:
    assert normal(" ４２０２０２ 19800315\u3000000x ") == "42020219800315000X"
