"""The codes of supervision's own refusals, as the page of problems lists them."""

from typing import Final

from citybus.http.problems import Kind

PROBLEMS: Final = (
    Kind("APPROVAL_DIFFERS", 422, "提交内容与前一位确认人不一致。", "It differs from what the other person confirmed."),
    Kind("AVOIDANCE", 422, "应当回避。", "Somebody who has no part in the matter must do it."),
    Kind("COVERT_NOTICE", 422, "明察暗访不得事先通知。", "An unannounced inspection must not be announced."),
    Kind("DATE_IN_FUTURE", 422, "日期不得晚于今天。", "The date lies ahead."),
    Kind("DATE_RANGE", 422, "日期不在允许范围内。", "The date is out of its range."),
    Kind(
        "DISCIPLINE_THRESHOLD",
        422,
        "达到纪律处分界限,线索已移送纪委监委。",
        "A matter of discipline; the discipline commission has been told.",
    ),
    Kind("EVIDENCE_EMPTY", 422, "文件是空的。", "The file is empty."),
    Kind("EVIDENCE_TOO_LARGE", 413, "文件过大。", "The file is too large."),
    Kind("EVIDENCE_TYPE", 415, "不接受该类型的文件。", "Files of this type are not taken."),
    Kind("FINDINGS_IN_DRAFT", 422, "仍有问题未告知。", "Findings are still drafts."),
    Kind("INSPECTION_NOT_RUNNING", 422, "检查不在进行中。", "The inspection is neither in progress nor reported."),
    Kind("NOTICE_REQUIRED", 422, "须事先通知被检查单位。", "The inspected units must be told beforehand."),
    Kind("NOTICE_TOO_LATE", 422, "通知期不足。", "The notice comes too late."),
    Kind("NO_EVIDENCE", 422, "没有证据。", "There is no evidence."),
    Kind("NO_RULE_AT_CONDUCT", 422, "行为发生时尚无规则。", "No rule was in force at the conduct."),
    Kind("OUT_OF_TIME", 422, "已过期限。", "The time for it is over."),
    Kind("PLAN_DATE_PAST", 422, "计划日期已过。", "The planned date is over."),
    Kind("PLEA_WINDOW_OPEN", 422, "陈述申辩期未满。", "The time to answer is not over."),
    Kind("REASON_MISSING", 422, "请说明理由。", "A reason is wanted."),
    Kind("SAME_VERIFIER", 422, "须由另一人认定。", "Another person must verify."),
    Kind("SEVERITY_TOO_LOW", 422, "严重程度过低。", "The severity is too low for this type."),
    Kind("SIGN_MISSING", 422, "须先经组织部门签批。", "The organisation department must sign first."),
    Kind("SIGN_NOT_NEEDED", 422, "无需签批。", "No signature is needed."),
    Kind("TEAM_SIZE", 422, "检查组人数不足。", "The team is too small."),
    Kind("UNIT_NOT_INSPECTED", 422, "该单位不在检查范围内。", "The unit is not among those inspected."),
    Kind("UNKNOWN_CADRE", 422, "名册中没有该干部。", "The roster has no such cadre."),
    Kind("UNKNOWN_EVIDENCE", 422, "没有该证据文件。", "There is no such evidence."),
    Kind("UNKNOWN_FINDING_TYPE", 422, "问题类型不在目录内。", "The catalogue has no such type."),
    Kind("UNKNOWN_INSPECTION", 422, "没有这次检查。", "There is no such inspection."),
    Kind("UNKNOWN_REASON_CODE", 422, "情形代码不在目录内。", "The catalogue has no such code."),
    Kind("UNKNOWN_THEME", 422, "检查主题不在目录内。", "The catalogue has no such theme."),
    Kind("UNKNOWN_UNIT", 422, "名册中没有该单位。", "The roster has no such unit."),
)
