"""What can be wrong with an uploaded workbook: a code, and what to do about it in Chinese and English."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

MESSAGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "SHEET_MISSING": (
            "没有{sheets}工作表，请使用模板。",
            "There is no sheet {english}. Use the template.",
        ),
        "SHEET_UNKNOWN": (
            "不认识该工作表，请改名为{sheets}，或将其删除。",
            "This sheet is not known. Name it {english}, or remove it.",
        ),
        "SHEET_REPEATED": ("同类工作表有两个。", "There are two sheets of this kind."),
        "NOTHING_TO_IMPORT": ("表中没有数据行。", "There is no row to import."),
        "COLUMN_MISSING": ("缺少“{header}”一列。", "The column {english} is missing."),
        "COLUMN_UNKNOWN": ("不认识该列，请改名或删除。", "This column is not known. Rename or remove it."),
        "COLUMN_REPEATED": ("“{header}”一列出现两次。", "The column {english} is there twice."),
        "REQUIRED": ("必填。", "It must be filled in."),
        "FORMULA": ("单元格含公式，请粘贴为数值。", "The cell holds a formula. Paste its value instead."),
        "CELL_ERROR": ("单元格是 Excel 错误值。", "The cell holds an error of Excel."),
        "TEXT_WANTED": ("应为文本。", "A text is wanted."),
        "TOO_LONG": ("不得超过 {most} 个字符。", "No more than {most} characters."),
        "NAME_FORMAT": (
            "姓名只能含文字、间隔号和括号。",
            "A name has letters, separating dots and brackets only.",
        ),
        "CODE_FORMAT": (
            "单位代码应为 2 至 32 位大写字母、数字或连字符。",
            "A unit's code has 2 to 32 capital letters, digits or hyphens.",
        ),
        "UNKNOWN_VALUE": ("应为以下之一：{choices}。", "One of these is wanted: {english}."),
        "FLAG_FORMAT": ("应为“是”或“否”。", "是 or 否 (yes or no) is wanted."),
        "ID_NUMBER_AS_NUMBER": (
            "身份号码存成了数字，末位已丢失；请将该列设为文本后重新填写。",
            "The number is stored as a number and has lost its last digits. Make the column text, then enter it again.",
        ),
        "ID_NUMBER_FORMAT": ("应为 18 位公民身份号码。", "An identity number of 18 characters is wanted."),
        "ID_NUMBER_BIRTH": ("号码中的出生日期无效。", "The birth date in the number is not valid."),
        "ID_NUMBER_CHECK_DIGIT": ("校验码不符，请核对。", "The check digit is wrong. Compare with the document."),
        "BIRTH_MISMATCH": ("与身份号码中的出生日期不一致。", "It differs from the birth date in the identity number."),
        "COUNT_FORMAT": ("应为 {least} 至 {most} 的整数。", "A whole number from {least} to {most} is wanted."),
        "SCORE_FORMAT": ("应为 0 至 100 的分数。", "A score from 0 to 100 is wanted."),
        "SUBJECT_ONE": (
            "干部填公民身份号码，班子填单位代码，二者须且只须填一项。",
            "Fill in the identity number of a cadre, or the unit code of a group: one of them.",
        ),
        "NOT_FOR_GROUP": ("班子没有平时考核，请留空。", "A group has no routine grades. Leave it empty."),
        "DATE_FORMAT": (
            "应为日期，如 2019-05-01 或 2019.05。",
            "A date is wanted, such as 2019-05-01 or 2019.05.",
        ),
        "DATE_AS_NUMBER": (
            "日期存成了数字（2019.1 无法区分 1 月和 10 月）；请设为日期或文本。",
            "The date is stored as a number (2019.1 may be January or October). Make it a date or a text.",
        ),
        "DATE_IN_FUTURE": ("不得晚于今天。", "It must not be later than today."),
        "POST_BEFORE_ADULT": ("任职时间早于年满 {age} 周岁。", "The post begins before the age of {age}."),
        "UNKNOWN_UNIT": (
            "名册和“单位”表中都没有该单位代码。",
            "Neither the roster nor the sheet 单位 has a unit of this code.",
        ),
        "DUPLICATE_ROW": ("与第 {first} 行重复。", "It repeats row {first}."),
        "ALREADY_REGISTERED": (
            "已登记，且以下各项不同：{fields}；变更须另行办理。",
            "It is registered already, with another {english}. A change is made elsewhere.",
        ),
    }
)
"""Messages by code; what stands in braces is filled in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: sheet, row (the first is 1), column as a letter, its header, a code, both messages.

    It never repeats what the cell holds: a fault may be read by more people than an identity number.
    """

    sheet: str
    row: int | None
    column: str | None
    header: str | None
    code: str
    zh: str
    en: str


def fault(
    code: str, sheet: str, row: int | None = None, column: int | None = None, header: str | None = None, **more: Any
) -> Fault:
    """Return the fault `code` at a place; `column` counts from 0, `more` fills the message."""
    zh, en = MESSAGES[code]
    return Fault(
        sheet,
        row,
        None if column is None else letters(column),
        header,
        code,
        zh.format(header=header, **more),
        en.format(header=header, **more),
    )


def letters(column: int) -> str:
    """Return a column's letters as Excel shows them: A for 0, AA for 26."""
    found = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        found = chr(ord("A") + rest) + found
    return found
