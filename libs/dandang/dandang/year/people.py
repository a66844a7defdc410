"""Who the year happens to: officers by their offices, and cadres of the sample city, each called upon once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dandang.sample import SampleCadre, SampleCity
from dandang.slice import cast
from dandang.slice.api import Api, patiently
from dandang.slice.cast import Person


def _officer(subject: str, zh: str, en: str, unit: str | None, *roles: str) -> Person:
    return Person(subject, zh, en, roles, unit and cast.unit_code(unit), everywhere=True)


_ORGANISATION, _DISCIPLINE, _OFFICE = "黄石市委组织部", "黄石市纪委监委", "黄石市委办公室"
_PUBLICITY, _SCHOOL = "黄石市委宣传部", "黄石市委党校"

ASSESS: Final = cast.RECORDS
ASSESS_SECOND: Final = _officer(
    "org-assess-2", "组织部 考核员乙", "Organisation: assessment, B", _ORGANISATION, "ORG.assess"
)
SUPERVISE: Final = _officer(
    "org-supervise", "组织部 干部监督员", "Organisation: supervision", _ORGANISATION, "ORG.supervise"
)
SUPERVISE_SECOND: Final = _officer(
    "org-supervise-2", "组织部 干部监督员乙", "Organisation: supervision, B", _ORGANISATION, "ORG.supervise"
)
CADRE_OFFICE: Final = _officer("org-cadre", "组织部 干部科", "Organisation: cadres", _ORGANISATION, "ORG.cadre")
EDUCATION: Final = _officer("org-edu", "组织部 干部教育科", "Organisation: training", _ORGANISATION, "ORG.edu")
DISCIPLINE: Final = _officer("disc-1", "纪委监委 承办人", "Discipline commission", _DISCIPLINE, "DISC")
DISCIPLINE_SECOND: Final = _officer("disc-2", "纪委监委 审理人", "Discipline commission, B", _DISCIPLINE, "DISC")
COMMITTEE: Final = Person("comm-1", "部务会 常委会", "The committee", ("COMM",), everywhere=True)
COMMITTEE_SECOND: Final = Person("comm-2", "部务会 副主任委员", "The committee, B", ("COMM",), everywhere=True)
APPEALS: Final = _officer("org-appeal-1", "组织部 复核员甲", "Organisation: reviews", _ORGANISATION, "ORG.appeal")
APPEALS_SECOND: Final = _officer(
    "org-appeal-2", "组织部 复核员乙", "Organisation: reviews, B", _ORGANISATION, "ORG.appeal"
)
GUEST: Final = _officer("office-assess", "市委办 考核员", "Party office: assesses the assessors", _OFFICE, "ORG.assess")
FAIR: Final = _officer("fair-1", "公正委员会 委员", "Fair commission", None, "FAIRCOMM")
FAIR_SECOND: Final = _officer("fair-2", "公正委员会 委员乙", "Fair commission, B", None, "FAIRCOMM")
MEDIA: Final = _officer("media-1", "宣传部 新闻科", "Publicity", _PUBLICITY, "MEDIA")
CUSTODIAN: Final = _officer("custodian-1", "举报人信息保管员", "Custodian of informants' identities", None, "CUSTODIAN")
TRAINER: Final = _officer("trainer-1", "党校 教员", "Party school: trainer", _SCHOOL, "TRAINER")


@dataclass(frozen=True, slots=True)
class Member:
    """A cadre of the sample city: the row of the roster, the place in the unit (0 leads it), and who acts for them."""

    row: SampleCadre
    place: int
    who: Person

    @property
    def cadre(self) -> str:
        """The id on the roster."""
        return str(self.who.cadre)

    @property
    def unit(self) -> str:
        """The code of the unit."""
        return self.row.unit


@dataclass
class People:
    """The cadres of a city as the roster knows them. Whom a line calls upon, no other line is given."""

    members: Sequence[Member]
    share: float = 1.0
    _taken: set[str] = field(default_factory=set, init=False)

    def units(self) -> list[str]:
        """Return the codes of all units, in the roster's order."""
        return list(dict.fromkeys(each.unit for each in self.members))

    def in_play(self) -> list[str]:
        """Return the codes of the units to whose people things happen: all of them, or `share` of those that may be."""
        if self.share == 1:
            return self.units()
        open_to_all = [unit for unit in self.units() if unit not in SPARED]
        return open_to_all[: max(LEAST_UNITS, round(len(open_to_all) * self.share))]

    def of(self, unit: str) -> list[Member]:
        """Return all members of a unit; its head comes first."""
        return [each for each in self.members if each.unit == unit]

    def head(self, unit: str) -> Person:
        """Return who acts as the head of a unit."""
        member = self.of(unit)[0]
        return _acting(member, "UNITHEAD", "head")

    def personnel(self, unit: str) -> Person:
        """Return who keeps the staff's files of a unit."""
        member = next(each for each in self.of(unit) if each.row.hr)
        return _acting(member, "UNITHR", "hr")

    def call(
        self, count: int, *, county_level: bool | None = None, party: bool = False, avoid: Iterable[str] = ()
    ) -> list[Member]:
        """Return `count` members whom nobody called upon yet, spread over the units: no heads, and nobody for HR.

        `county_level`: only those of rank 县处级 (deputies), or only those below; None: any. `party`: only members of it.
        """
        allowed = set(self.in_play()) - SPARED - set(avoid)
        found: list[Member] = []
        for member in self._by_turns():
            if len(found) == count:
                break
            if member.cadre in self._taken or member.place == 0 or member.row.hr or member.unit not in allowed:
                continue
            if party and not member.row.party_member:
                continue
            if county_level is not None and member.row.rank.startswith("县处级") is not county_level:
                continue
            found.append(member)
            self._taken.add(member.cadre)
        if len(found) < count:
            raise ValueError(f"the city has only {len(found)} of {count} such cadres left")
        return found

    def untouched(self) -> list[Member]:
        """Return the members in play whom no line called upon, once all lines are made: no heads, and nobody for HR."""
        allowed = set(self.in_play()) - SPARED
        return [
            each
            for each in self._by_turns()
            if each.cadre not in self._taken and each.place > 0 and not each.row.hr and each.unit in allowed
        ]

    def _by_turns(self) -> Iterator[Member]:
        """Yield members of one unit after another, so that no unit has all the trouble."""
        ordered = sorted(self.members, key=lambda each: each.place)  # stable: by unit within a place
        yield from ordered


LEAST_UNITS: Final = 10
"""In how many units a small part of the year is played at least: enough people for a story of each kind."""

SPARED: Final = frozenset(
    cast.unit_code(name) for name in (_ORGANISATION, _DISCIPLINE, _OFFICE, _PUBLICITY, _SCHOOL, cast.BUREAU_NAME)
)
"""Units of officers, and that of the slice: nothing else happens to their people."""


def _acting(member: Member, role: str, suffix: str) -> Person:
    subject = f"{suffix}-{member.unit}"
    return Person(
        subject, f"{member.row.name} {member.row.post}", f"{role} {member.unit}", (role,), member.unit, member.cadre
    )


def load(api: Api, city: SampleCity, share: float = 1.0) -> People:
    """Return the people of the city with the ids that the roster gave. Raises Refused.

    They are known again by name and birth, which are unique in the sample city: a unit may change in the year.
    """
    ids: dict[tuple[str, str], str] = {}
    cursor: str | None = None
    while True:
        query: dict[str, Any] = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        found = patiently(lambda query=query: api.get(cast.ROSTER, "assessment", "/cadres", **query)).content  # type: ignore[misc]
        for each in found["items"]:
            ids[each["name"], each["birth"]] = str(each["id"])
        cursor = found["next"]
        if not cursor:
            break
    members, places = [], dict.fromkeys((unit.code for unit in city.units), 0)
    for row in city.cadres:
        place = places[row.unit]
        places[row.unit] += 1
        born = f"{row.id_no[6:10]}-{row.id_no[10:12]}-{row.id_no[12:14]}"
        cadre = ids[row.name, born]
        subject = f"cadre-{row.unit}-{place:02}"
        who = Person(subject, f"{row.name} {row.post}", subject, ("CADRE",), row.unit, cadre)
        members.append(Member(row, place, who))
    return People(members, share)
