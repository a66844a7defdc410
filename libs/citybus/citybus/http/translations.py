"""Validation messages in both languages: marshmallow speaks English, and officials read Chinese."""

import re
from functools import lru_cache
from typing import Any, Final, Self


class Bilingual(str):
    """A message in both languages that passes through marshmallow, which knows texts only.

    The text itself is the English one. Placeholders (`{min}`) are filled in both.
    """

    zh: str
    __slots__ = ("zh",)

    def __new__(cls, zh: str, en: str) -> Self:
        """Return the message; `en` is its text."""
        made = super().__new__(cls, en)
        made.zh = zh
        return made

    def format(self, *args: Any, **kwargs: Any) -> "Bilingual":
        """Return the message with its placeholders filled in both languages."""
        return Bilingual(self.zh.format(*args, **kwargs), super().format(*args, **kwargs))


def both(text: str) -> tuple[str, str]:
    """Return `text` in Chinese and English. A text that no table knows is said to be invalid, and given as it is."""
    return (text.zh, str(text)) if isinstance(text, Bilingual) else (_chinese(text), text)


@lru_cache(maxsize=1024)
def _chinese(text: str) -> str:
    for pattern, zh in _KNOWN:
        if match := pattern.fullmatch(text):
            return zh.format(**{name: _WORDS.get(value, value) for name, value in match.groupdict().items()})
    return f"取值无效（{text}）"


_WORDS: Final = {
    "greater than or equal to": "大于或等于",
    "greater than": "大于",
    "less than or equal to": "小于或等于",
    "less than": "小于",
    "date": "日期",
    "datetime": "日期时间",
    "time": "时间",
    "naive": "不带时区的",
    "aware": "带时区的",
}
_KNOWN: Final = [
    (re.compile(pattern), zh)
    for pattern, zh in (
        (r"Missing data for required field\.", "必填项缺失。"),
        (r"Field may not be null\.", "不能为空。"),
        (r"Invalid (?:value|input)\.", "取值无效。"),
        (r"Invalid (?:input )?type\.", "类型不正确。"),
        (r"Unknown field\.", "未知字段。"),
        (r"Not a valid boolean\.", "应为布尔值。"),
        (r"Not a valid integer\.", "应为整数。"),
        (r"Not a valid number\.", "应为数字。"),
        (r"Number too large\.", "数字过大。"),
        (r"Special numeric values \(nan or infinity\) are not permitted\.", "不允许非数或无穷大。"),
        (r"Not a valid string\.", "应为文本。"),
        (r"Not a valid utf-8 string\.", "应为 UTF-8 文本。"),
        (r"Not a valid list\.", "应为列表。"),
        (r"Not a valid tuple\.", "应为元组。"),
        (r"Not a valid mapping type\.", "应为键值对象。"),
        (r"Not a valid UUID\.", "应为 UUID。"),
        (r"Not a valid email address\.", "应为电子邮件地址。"),
        (r"Not a valid URL\.", "应为网址。"),
        (r"Not a valid period of time\.", "应为时间段。"),
        (r"Not a valid (?P<kind>date|datetime|time)\.", "应为{kind}。"),
        (r"Not a valid (?P<aware>naive|aware) (?P<kind>date|datetime|time)\.", "应为{aware}{kind}。"),
        (r"Must be one of: (?P<choices>.*)\.", "应为以下之一：{choices}。"),
        (r"Must be equal to (?P<other>.*)\.", "应等于 {other}。"),
        (r"Shorter than minimum length (?P<min>\d+)\.", "长度不得少于 {min}。"),
        (r"Longer than maximum length (?P<max>\d+)\.", "长度不得超过 {max}。"),
        (r"Length must be between (?P<min>\d+) and (?P<max>\d+)\.", "长度应在 {min} 至 {max} 之间。"),
        (r"Length must be (?P<equal>\d+)\.", "长度应为 {equal}。"),
        (r"Must be (?P<op>(?:greater|less) than(?: or equal to)?) (?P<bound>\S+)\.", "应{op} {bound}。"),
        (
            r"Must be (?P<low>greater than.*) (?P<min>\S+) and (?P<high>less than.*) (?P<max>\S+)\.",
            "应{low} {min} 且{high} {max}。",
        ),
        (r"String does not match expected pattern\.", "格式不符合要求。"),
        (r"One or more of the choices you made was (?:not )?in: (?P<choices>.*)\.", "所选项不被允许（{choices}）。"),
    )
]
