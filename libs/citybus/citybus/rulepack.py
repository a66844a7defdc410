"""Rules are data with dates: packs in YAML, looked up as of a day, cited by code and version."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema
from yaml.constructor import ConstructorError

from citybus.calendar import PUBLISHED, Calendar, Duration
from citybus.errors import CityError

__all__ = ["Duration", "MissingRule", "Pack", "Rule", "RulePackError", "RulePacks", "Rules", "parse_yaml"]

NATIONAL = "national"
LOCAL = "local"
TAGS = ("A", "L", "P", "K", "D")
_REMEMBERED = 512  # days and cities whose rules are kept at hand


class RulePackError(CityError):
    """Packs that cannot be used. `problems` holds one line `file: place: problem` each, all that were found."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = sorted(problems)
        super().__init__("规则包有误 / rule packs are wrong:" + "".join(f"\n  {problem}" for problem in self.problems))


class MissingRule(CityError):
    """No pack in force holds the rule. `key`, `on` and `city` say what was asked for."""

    def __init__(self, key: str, on: date, city: str) -> None:
        self.key, self.on, self.city = key, on, city
        super().__init__(
            f"{on} 在 {city} 没有生效的规则 {key} / no rule pack in force on {on} in city {city} has the rule {key}"
        )


@dataclass(frozen=True, slots=True)
class Pack:
    """One version of one pack. `city` is None for a national pack; `valid_to` is its last day, None when open."""

    code: str
    version: str
    layer: str
    city: str | None
    valid_from: date
    valid_to: date | None
    source: str

    @property
    def cite(self) -> str:
        """The text that a decision stores: `CODE@version`."""
        return f"{self.code}@{self.version}"

    def in_force(self, on: date) -> bool:
        """Return whether the pack holds on that day, its first and last day included."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one pack: an immutable `value`, its `source`, the `tag` of how sure it is, and its pack.

    `lighter` says which of two values burdens the person less: "min", "max", or the values from light to heavy.
    """

    key: str
    value: Any
    source: str
    tag: str
    pack: Pack
    note: str | None = None
    lighter: str | tuple[Any, ...] | None = None

    def weight(self) -> Any:
        """Return something that grows with the burden of the value; only for a rule that declares `lighter`."""
        if isinstance(self.lighter, tuple):
            return self.lighter.index(self.value)
        size = self.value.amount if isinstance(self.value, Duration) else self.value
        return size if self.lighter == "min" else -size


class Rules(Mapping[str, Any]):
    """The rules in force in one city on one day: a mapping of keys to values. A missing key raises MissingRule."""

    def __init__(self, on: date, city: str, rules: Mapping[str, Rule]) -> None:
        self.on = on
        self.city = city
        self._rules = rules

    def __getitem__(self, key: str) -> Any:
        return self.rule(key).value

    def __contains__(self, key: object) -> bool:
        return key in self._rules

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value, or `default` where no pack in force holds the key."""
        return self[key] if key in self._rules else default

    def rule(self, key: str) -> Rule:
        """Return the rule with its source and pack."""
        try:
            return self._rules[key]
        except KeyError:
            raise MissingRule(key, self.on, self.city) from None

    def cite(self, key: str) -> str:
        """Return `CODE@version` of the pack that the key's value comes from."""
        return self.rule(key).pack.cite


class RulePacks:
    """All packs that were loaded, of every city and time, and the calendar by which their durations count."""

    def __init__(self, rules: Iterable[Rule], calendar: Calendar = PUBLISHED) -> None:
        self.calendar = calendar
        self.rules = tuple(rules)
        self.packs = tuple(
            sorted({rule.pack for rule in self.rules}, key=lambda pack: (pack.code, pack.valid_from, pack.version))
        )
        self._looked_up: dict[tuple[date, str], Rules] = {}

    @classmethod
    def load(cls, folders: Sequence[Path], calendar: Calendar = PUBLISHED) -> "RulePacks":
        """Read every `*.yaml` file of `folders`; durations count working days by `calendar`.

        Raises RulePackError with all that is wrong in any of the files.
        """
        problems: list[str] = []
        rules: list[Rule] = []
        for folder in folders:
            files = sorted(folder.glob("*.yaml"))
            if not files:
                problems.append(f"{folder}: 没有规则包 / holds no rule pack")
            for path in files:
                try:
                    rules.extend(_read(path, calendar))
                except RulePackError as error:
                    problems.extend(error.problems)
        problems.extend(_conflicts(rules))
        if problems:
            raise RulePackError(problems)
        return cls(rules, calendar)

    def at(self, on: date, city: str) -> Rules:
        """Return the rules in force on day `on` in `city`: local over national, then the newest `valid_from`."""
        rules = self._looked_up.get((on, city))
        if rules is None:
            if len(self._looked_up) >= _REMEMBERED:
                self._looked_up.clear()
            rules = self._looked_up[on, city] = self._resolve(on, city)
        return rules

    def _resolve(self, on: date, city: str) -> Rules:
        found: dict[str, Rule] = {}
        for rule in self.rules:
            pack = rule.pack
            if pack.in_force(on) and pack.city in (None, city):
                held = found.get(rule.key)
                if held is None or _rank(held.pack) < _rank(pack):
                    found[rule.key] = rule
        return Rules(on, city, MappingProxyType(found))

    def substance(self, key: str, city: str, *, conduct: date, decision: date) -> Rule:
        """Return the rule of substance for conduct of one day decided on a later day.

        It is the rule in force at the conduct, or the newer one where that is lighter and declares how to tell
        (从旧兼从轻). Raises MissingRule if no rule was in force at the conduct: nobody is held to a rule made later.
        """
        old = self.at(conduct, city).rule(key)
        now = self.at(decision, city)
        if old.lighter is None or key not in now:
            return old
        new = now.rule(key)
        return new if new.weight() < old.weight() else old


def _rank(pack: Pack) -> tuple[bool, date]:
    return pack.layer == LOCAL, pack.valid_from


class _Loader(yaml.SafeLoader):
    """YAML without surprises: 22:00, yes, 0123 and dates stay text, decimals are exact, no key is given twice."""


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    read: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in read:
            raise ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        read[key] = loader.construct_object(value_node, deep=True)
    return read


_Loader.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("null", r"(~|null|)\Z", ["~", "n", ""]),
    ("bool", r"(true|false)\Z", list("tf")),
    ("int", r"-?(0|[1-9][0-9]*)\Z", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+\Z", list("-0123456789")),
    ("merge", r"<<\Z", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_form), _first)
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str) -> Any:
    """Read YAML as plain data: exact decimals, dates left as text, no key twice. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _RuleSchema(Schema):
    class Meta:
        unknown = RAISE

    value = fields.Raw(required=True)
    source = fields.String(required=True, validate=validate.Length(min=1))
    tag = fields.String(required=True, validate=validate.OneOf(TAGS))
    note = fields.String(load_default=None)
    lighter = fields.Raw(load_default=None)

    @validates_schema
    def _comparable(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        lighter, value = data["lighter"], _frozen(data["value"])
        if lighter is None:
            return
        if isinstance(lighter, list):
            if value not in _frozen(lighter):
                raise ValidationError("the value is not in its own order from light to heavy", "lighter")
        elif lighter not in ("min", "max"):
            raise ValidationError("wants min, max or the values from light to heavy", "lighter")
        elif isinstance(value, bool) or not isinstance(value, int | Decimal | Duration):
            raise ValidationError("min and max want a number or a duration", "lighter")


class _PackSchema(Schema):
    class Meta:
        unknown = RAISE

    code = fields.String(required=True, validate=validate.Regexp(r"[A-Z][A-Z0-9-]*\Z"))
    version = fields.String(required=True, validate=validate.Regexp(r"[0-9A-Za-z][0-9A-Za-z.-]*\Z"))
    layer = fields.String(required=True, validate=validate.OneOf((NATIONAL, LOCAL)))
    city = fields.String(required=True, allow_none=True, validate=validate.Regexp(r"\d{6}\Z"))
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(required=True, allow_none=True)
    source = fields.String(required=True, validate=validate.Length(min=1))
    rules = fields.Dict(
        keys=fields.String(validate=validate.Regexp(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+\Z")),
        values=fields.Nested(_RuleSchema),
        required=True,
        validate=validate.Length(min=1),
    )

    @validates_schema
    def _consistent(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if (data["layer"] == NATIONAL) != (data["city"] is None):
            raise ValidationError("a national pack has no city, a local one has", "city")
        if data["valid_to"] is not None and data["valid_to"] < data["valid_from"]:
            raise ValidationError("ends before it begins", "valid_to")


def _read(path: Path, calendar: Calendar) -> list[Rule]:
    try:
        read = parse_yaml(path.read_text(encoding="utf-8"))
        data = _PackSchema().load(read)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulePackError([f"{path}: {' '.join(str(error).split())}"]) from None
    except ValidationError as error:
        raise RulePackError(f"{path}: {place}: {text}" for place, text in _flat(error.messages)) from None
    meta = ("code", "version", "layer", "city", "valid_from", "valid_to", "source")
    pack = Pack(**{name: data[name] for name in meta})
    return [
        Rule(
            key=key,
            value=_frozen(rule["value"], calendar),
            source=rule["source"],
            tag=rule["tag"],
            pack=pack,
            note=rule["note"],
            lighter=_frozen(rule["lighter"], calendar),
        )
        for key, rule in data["rules"].items()
    ]


def _flat(messages: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            # marshmallow names the two halves of a dictionary's item; the reader wants neither word.
            at = place if key in ("key", "value") and isinstance(below, list | dict) and place else f"{place}.{key}"
            yield from _flat(below, at)
    else:
        for message in messages:
            yield place.removeprefix("."), str(message)


def _frozen(value: Any, calendar: Calendar = PUBLISHED) -> Any:
    """Return `value` unchangeable: tuples, read-only mappings, and durations where a text is one."""
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item, calendar) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item, calendar) for item in value)
    if isinstance(value, str) and Duration.is_one(value):
        return Duration.parse(value, calendar)
    return value


def _conflicts(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield what is wrong between packs: the same one twice, versions that overlap, ties, values not comparable."""
    packs = sorted({rule.pack for rule in rules}, key=lambda pack: (pack.code, pack.valid_from, pack.version))
    for index, pack in enumerate(packs):
        for other in packs[index + 1 :]:
            if pack.code == other.code and _overlap(pack, other):
                what = "is given twice" if pack.version == other.version else f"overlaps {other.cite}"
                yield f"{pack.cite}: {what} ({other.valid_from} – {pack.valid_to or 'open'})"
    by_key: dict[str, list[Rule]] = {}
    for rule in rules:
        for earlier in by_key.setdefault(rule.key, []):
            yield from _clash(earlier, rule)
        by_key[rule.key].append(rule)


def _clash(one: Rule, other: Rule) -> Iterator[str]:
    """Yield what two rules of one key have against each other."""
    if one.pack == other.pack:
        yield f"{one.pack.cite}: {one.key} is given in two files"
    elif (one.pack.city, one.pack.valid_from) == (other.pack.city, other.pack.valid_from):
        yield f"{one.key}: {one.pack.cite} and {other.pack.cite} begin on the same day and neither is newer"
    met = None in (one.pack.city, other.pack.city) or one.pack.city == other.pack.city
    if met and _measure(one) != _measure(other):
        yield f"{one.key}: {one.pack.cite} and {other.pack.cite} cannot tell which value is lighter"


def _overlap(one: Pack, other: Pack) -> bool:
    """Return whether two packs of a code are in force on one day; `one` begins no later than `other`."""
    return one.valid_to is None or other.valid_from <= one.valid_to


def _measure(rule: Rule) -> Any:
    """Return what two rules must share for one to be lighter than the other."""
    if rule.lighter is None or isinstance(rule.lighter, tuple):
        return rule.lighter
    return rule.lighter, rule.value.unit if isinstance(rule.value, Duration) else "number"
