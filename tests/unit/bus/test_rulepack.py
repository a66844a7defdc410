"""Rule packs: validity, layers, citing, the lighter rule, and every mistake told at once."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from citybus.calendar import Calendar, Duration, HolidayTable, Unit
from citybus.rulepack import MissingRule, RulePackError, RulePacks, parse_yaml

HUANGSHI, WUHAN = "420200", "420100"
Writer = Callable[..., Path]


def pack(
    code: str,
    version: str = "1",
    *,
    city: str | None = None,
    since: str = "2018-01-01",
    until: str | None = None,
    **rules: Any,
) -> dict[str, Any]:
    return {
        "code": code,
        "version": version,
        "layer": "national" if city is None else "local",
        "city": city,
        "valid_from": since,
        "valid_to": until,
        "source": "a regulation",
        "rules": {
            key.replace("__", "."): value if isinstance(value, dict) and "value" in value
            else {"value": value, "source": "article 1", "tag": "D"}
            for key, value in rules.items()
        },
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Writer:
    def write(*packs: dict[str, Any], name: str = "packs") -> Path:
        place = tmp_path / name
        place.mkdir()
        for number, content in enumerate(packs):
            (place / f"{number}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return place

    return write


def test_newest_pack_in_force_wins_and_is_cited(folder: Writer) -> None:
    packs = RulePacks.load(
        [
            folder(
                pack("CN-2015", since="2015-01-01", grades__quota=30, finding__plea_window="3 WD"),
                pack("CN-2019", "2", since="2019-04-07", grades__quota=25),
            )
        ]
    )
    before, after = packs.at(date(2018, 6, 1), HUANGSHI), packs.at(date(2020, 6, 1), HUANGSHI)
    assert (before["grades.quota"], after["grades.quota"]) == (30, 25)
    assert after.cite("grades.quota") == "CN-2019@2"
    assert after["finding.plea_window"] == Duration(3, Unit.WORKING_DAYS)
    assert after.cite("finding.plea_window") == "CN-2015@1"
    assert packs.at(date(2019, 4, 6), HUANGSHI)["grades.quota"] == 30
    assert packs.at(date(2019, 4, 7), HUANGSHI)["grades.quota"] == 25


def test_local_comes_before_national_even_if_older(folder: Writer) -> None:
    packs = RulePacks.load(
        [
            folder(
                pack("LOCAL-HS", city=HUANGSHI, since="2016-01-01", a__b=1), pack("CN-2022", since="2022-01-01", a__b=2)
            )
        ]
    )
    assert packs.at(date(2023, 1, 1), HUANGSHI)["a.b"] == 1
    assert packs.at(date(2023, 1, 1), WUHAN)["a.b"] == 2


def test_pack_of_another_city_loads_without_code(folder: Writer) -> None:
    own = folder(pack("LOCAL-HS", city=HUANGSHI, a__b="5 WD"), name="own")
    brought = folder(pack("LOCAL-WH-2025", city=WUHAN, a__b="10 d", c__d=["甲", "乙"]), name="brought")
    packs = RulePacks.load([own, brought])
    rules = packs.at(date(2025, 6, 1), WUHAN)
    assert rules["a.b"] == Duration(10, Unit.DAYS)
    assert rules["c.d"] == ("甲", "乙")
    assert rules.cite("c.d") == "LOCAL-WH-2025@1"
    assert "c.d" not in packs.at(date(2025, 6, 1), HUANGSHI)
    assert [found.cite for found in packs.packs] == ["LOCAL-HS@1", "LOCAL-WH-2025@1"]


def test_pack_ends_with_its_last_day(folder: Writer) -> None:
    packs = RulePacks.load([folder(pack("CN-2015", until="2019-04-06", a__b=1))])
    assert packs.at(date(2019, 4, 6), HUANGSHI)["a.b"] == 1
    with pytest.raises(MissingRule) as missing:
        _ = packs.at(date(2019, 4, 7), HUANGSHI)["a.b"]
    assert (missing.value.key, missing.value.on, missing.value.city) == ("a.b", date(2019, 4, 7), HUANGSHI)


def test_rules_are_a_mapping_that_cannot_be_changed(folder: Writer) -> None:
    rules = RulePacks.load(
        [folder(pack("CN", a__b={"value": {"x": [1, "2 d"]}, "source": "s", "tag": "A", "note": "n"}))]
    ).at(date(2020, 1, 1), HUANGSHI)
    assert list(rules) == ["a.b"]
    assert len(rules) == 1
    assert rules.get("a.b") is rules["a.b"]
    assert rules.get("no.such", 7) == 7
    assert rules["a.b"]["x"] == (1, Duration(2, Unit.DAYS))
    with pytest.raises(TypeError):
        rules["a.b"]["x"] = 0
    rule = rules.rule("a.b")
    assert (rule.source, rule.tag, rule.note) == ("s", "A", "n")


def test_numbers_are_exact_and_texts_stay_texts() -> None:
    read = parse_yaml("{a: 0.30, b: 22:00, c: 0123, d: yes, e: 2024-01-01, f: -5, g: true, h: null, i: ~, j: 1e3}")
    assert read == {
        "a": Decimal("0.30"), "b": "22:00", "c": "0123", "d": "yes", "e": "2024-01-01",
        "f": -5, "g": True, "h": None, "i": None, "j": "1e3",
    }  # fmt: skip
    assert str(read["a"]) == "0.30"


def test_anchors_may_be_merged() -> None:
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}")["b"] == {"x": 1, "y": 2}


def test_durations_count_by_the_calendar_given(folder: Writer) -> None:
    own = Calendar([HolidayTable(2024, frozenset({date(2024, 3, 5)}), frozenset(), "本市")])
    packs = RulePacks.load([folder(pack("CN", a__b="1 WD"))], own)
    assert packs.at(date(2024, 1, 1), HUANGSHI)["a.b"].last_day(date(2024, 3, 4)).day == date(2024, 3, 6)


def rule(value: Any, lighter: Any = None) -> dict[str, Any]:
    return {"value": value, "source": "s", "tag": "L", "lighter": lighter}


@pytest.mark.parametrize(
    ("old", "new", "lighter", "expected"),
    [
        (rule("12 months", "min"), rule("6 months", "min"), "newer", Duration(6, Unit.MONTHS)),
        (rule("6 months", "min"), rule("12 months", "min"), "older", Duration(6, Unit.MONTHS)),
        (rule(60, "max"), rule(55, "max"), "older", 60),
        (rule(55, "max"), rule(60, "max"), "newer", 60),
        (rule("基本称职", ["称职", "基本称职"]), rule("称职", ["称职", "基本称职"]), "newer", "称职"),
        (rule(2), rule(1), "older", 2),
        (rule(2, "min"), rule(2, "min"), "older", 2),
    ],
)
def test_conduct_is_judged_by_the_lighter_rule(
    folder: Writer, old: dict[str, Any], new: dict[str, Any], lighter: str, expected: Any
) -> None:
    packs = RulePacks.load(
        [folder(pack("CN-2015", since="2015-01-01", a__b=old), pack("CN-2020", since="2020-01-01", a__b=new))]
    )
    found = packs.substance("a.b", HUANGSHI, conduct=date(2018, 1, 1), decision=date(2021, 1, 1))
    assert found.value == expected
    assert found.pack.code == {"older": "CN-2015", "newer": "CN-2020"}[lighter]


def test_rule_that_was_dropped_since_still_judges_its_time(folder: Writer) -> None:
    packs = RulePacks.load([folder(pack("CN-2015", since="2015-01-01", until="2019-12-31", a__b=rule(3, "min")))])
    found = packs.substance("a.b", HUANGSHI, conduct=date(2018, 1, 1), decision=date(2021, 1, 1))
    assert found.value == 3


def test_nobody_is_held_to_a_rule_made_later(folder: Writer) -> None:
    packs = RulePacks.load([folder(pack("CN-2020", since="2020-01-01", a__b=3))])
    with pytest.raises(MissingRule):
        packs.substance("a.b", HUANGSHI, conduct=date(2018, 1, 1), decision=date(2021, 1, 1))


def test_all_mistakes_are_told_at_once(folder: Writer, tmp_path: Path) -> None:
    bad = pack("cn-lower", "", a__b=rule(1, "sideways"), c__d=rule("x", "min"), e__f=rule("z", ["x", "y"]))
    bad["rules"]["Upper"] = {"value": 1, "source": "", "tag": "Z"}
    bad["valid_from"], bad["valid_to"], bad["extra"] = "2020-13-01", "2019-01-01", 1
    place = folder(bad, pack("CN-OK", a__b=1), pack("CN-ENDS", since="2020-01-01", until="2019-01-01", x__y=1))
    (place / "broken.yaml").write_text("a: [", encoding="utf-8")
    (place / "twice.yaml").write_text("code: A\ncode: B\n", encoding="utf-8")
    (place / "list.yaml").write_text("- 1\n", encoding="utf-8")
    (place / "latin.yaml").write_bytes(b"code: \xff\n")
    local = pack("CN-CITY", a__z=1)
    local["city"] = HUANGSHI
    (place / "city.yaml").write_text(yaml.safe_dump(local), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RulePackError) as error:
        RulePacks.load([place, tmp_path / "empty"])
    told = "\n".join(error.value.problems)
    for expected in (
        "0.yaml: code:", "0.yaml: version:", "0.yaml: valid_from:", "0.yaml: extra:", "rules.Upper", "rules.a.b.lighter",
        "rules.c.d.lighter", "rules.e.f.lighter", "2.yaml: valid_to: ends before", "broken.yaml:", "key 'code' is given twice",
        "list.yaml:", "latin.yaml:", "city.yaml: city:", "holds no rule pack",
    ):  # fmt: skip
        assert expected in told, f"{expected} not in:\n{told}"
    assert told in str(error.value).replace("\n  ", "\n")


@pytest.mark.parametrize(
    ("packs", "complaint"),
    [
        ([pack("CN", "1", a__b=1), pack("CN", "2", since="2019-01-01", c__d=1)], "CN@1: overlaps CN@2"),
        ([pack("CN", "1", a__b=1), pack("CN", "1", since="2019-01-01", c__d=1)], "CN@1: is given twice"),
        ([pack("CN", a__b=1), pack("CN", a__b=2)], "a.b is given in two files"),
        ([pack("CN-A", a__b=1), pack("CN-B", a__b=2)], "begin on the same day"),
        (
            [pack("CN-A", a__b=rule(1, "min")), pack("CN-B", since="2019-01-01", a__b=rule(1, "max"))],
            "cannot tell which value is lighter",
        ),
        (
            [pack("CN-A", a__b=rule("6 months", "min")), pack("CN-B", since="2019-01-01", a__b=rule("180 d", "min"))],
            "cannot tell which value is lighter",
        ),
        (
            [pack("CN-A", a__b=rule("x", ["x", "y"])), pack("CN-B", since="2019-01-01", a__b=rule("x", ["y", "x"]))],
            "cannot tell which value is lighter",
        ),
    ],
)
def test_packs_that_contradict_each_other_are_refused(
    folder: Writer, packs: list[dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(RulePackError, match=complaint):
        RulePacks.load([folder(*packs)])


def test_versions_that_follow_each_other_and_parts_of_one_pack_are_fine(folder: Writer) -> None:
    packs = RulePacks.load(
        [
            folder(
                pack("CN", "1", until="2018-12-31", a__b=1),
                pack("CN", "2", since="2019-01-01", a__b=2),
                pack("CN", "2", since="2019-01-01", c__d=3),
                pack("LOCAL-A", city=HUANGSHI, a__x=rule(1, "min")),
                pack("LOCAL-B", city=WUHAN, a__x=rule(1, "max")),
            )
        ]
    )
    rules = packs.at(date(2020, 1, 1), HUANGSHI)
    assert (rules["a.b"], rules["c.d"]) == (2, 3)
    assert rules.cite("c.d") == "CN@2"


def test_rules_looked_up_before_are_kept_at_hand_within_bounds(folder: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = RulePacks.load([folder(pack("CN", a__b=1))])
    first = packs.at(date(2020, 1, 1), HUANGSHI)
    assert packs.at(date(2020, 1, 1), HUANGSHI) is first
    monkeypatch.setattr("citybus.rulepack._REMEMBERED", 1)
    packs.at(date(2020, 1, 2), HUANGSHI)
    assert packs.at(date(2020, 1, 1), HUANGSHI) is not first
