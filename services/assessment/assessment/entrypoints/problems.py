"""The codes of assessment's own refusals, as the page of problems lists them."""

from typing import Final

from citybus.http.problems import Kind

PROBLEMS: Final = (
    Kind("AVOIDANCE", 422, "应当回避。", "Somebody who has no part in the matter must do it."),
    Kind("REASON_MISSING", 422, "请说明理由。", "A reason is wanted."),
    Kind("WORKBOOK_ACTIVE", 422, "工作簿含宏或嵌入对象。", "The workbook holds macros or embedded objects."),
    Kind("WORKBOOK_TOO_LARGE", 413, "工作簿过大。", "The workbook is too large."),
    Kind("WORKBOOK_UNREADABLE", 422, "不是可读取的 .xlsx 工作簿。", "This is no .xlsx workbook that can be read."),
)
