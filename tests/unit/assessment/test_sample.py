"""The sample city: 89 units, fictitious people who cannot be anybody, the same each time."""

from datetime import date

from assessment.domain.identity import birth_of
from assessment.schemas.requests import IndicatorDraft
from dandang.sample import indicator_forms, indicator_workbook, roster_workbook, sample_city


def test_the_sample_city_is_whole() -> None:
    city = sample_city()
    assert len(city.cadres) == 2002
    kinds = [unit.kind for unit in city.units]
    assert (kinds.count("县(市、区)"), len(kinds) - kinds.count("县(市、区)")) == (7, 82)
    assert len({unit.code for unit in city.units}) == len({unit.name for unit in city.units}) == 89
    every = {unit.code for unit in city.units}
    assert {cadre.unit for cadre in city.cadres if "班子主要负责人" in cadre.categories} == every
    assert {cadre.unit for cadre in city.cadres if cadre.hr} == every


def test_its_people_are_marked_and_their_numbers_were_given_to_nobody() -> None:
    city = sample_city()
    assert all(cadre.name.endswith("（虚构）") for cadre in city.cadres)
    assert all(cadre.id_no[14:17] == "000" for cadre in city.cadres)
    assert len({cadre.id_no for cadre in city.cadres}) == len(city.cadres)
    for cadre in city.cadres:
        assert birth_of(cadre.id_no, date(2024, 1, 1)) < cadre.post_since


def test_it_has_21_indicators_of_16_responsible_units_as_the_api_takes_them() -> None:
    city = sample_city(people=0)
    assert len(city.indicators) == len({each.code for each in city.indicators}) == 21
    assert len({each.title for each in city.indicators}) == 21
    assert len({code for each in city.indicators for code in (each.lead_unit, *each.co_units)}) == 16
    units = {unit.code for unit in city.units}
    for form in indicator_forms(city, 2024):
        loaded = IndicatorDraft().load(form)
        assert {loaded["lead_unit"], *loaded["co_units"]} <= units
        assert loaded["lead_unit"] not in loaded["co_units"]
    assert indicator_workbook(city) == indicator_workbook(sample_city(people=0))


def test_it_is_the_same_each_time() -> None:
    assert roster_workbook(sample_city()) == roster_workbook(sample_city())
    assert sample_city(seed=1) != sample_city()
