"""The codes of incentive's own refusals, as the page of problems lists them."""

from typing import Final

from citybus.http.problems import Kind

_EXCLUDED: Final = (
    "只能决定不予容错，由市委常委会（部务会）说明理由方可例外。",
    "It allows only to deny; the committee alone may overrule it.",
)

PROBLEMS: Final = (
    Kind("APPROVAL_DIFFERS", 422, "提交内容与前一位确认人不一致。", "It differs from what the other person confirmed."),
    Kind("AVOIDANCE", 422, "应当回避。", "Somebody who has no part in the matter must do it."),
    Kind(
        "DEVIATION_UNEXPLAINED", 422, "决定与建议不同，须说明理由。", "The decision differs from the advice; say why."
    ),
    Kind("EVIDENCE_EMPTY", 422, "文件是空的。", "The file is empty."),
    Kind("EVIDENCE_TOO_LARGE", 413, "文件过大。", "The file is too large."),
    Kind("EVIDENCE_TYPE", 415, "不接受该类型的文件。", "Files of this type are not taken."),
    Kind("EXCLUDED_CONCEALMENT", 422, f"隐瞒或拒不纠正：{_EXCLUDED[0]}", f"Concealment: {_EXCLUDED[1]}"),
    Kind("EXCLUDED_DISCIPLINE", 422, f"违反纪律：{_EXCLUDED[0]}", f"A matter of discipline: {_EXCLUDED[1]}"),
    Kind("EXCLUDED_EXPLICIT_PROHIBITION", 422, f"违反明令禁止：{_EXCLUDED[0]}", f"A prohibition: {_EXCLUDED[1]}"),
    Kind("EXCLUDED_MAJOR_INCIDENT", 422, f"重大事故或事件：{_EXCLUDED[0]}", f"A major incident: {_EXCLUDED[1]}"),
    Kind("EXCLUDED_PRIVATE_GAIN", 422, f"谋取私利：{_EXCLUDED[0]}", f"Private gain: {_EXCLUDED[1]}"),
    Kind("EXCLUDED_REPEATED", 422, f"重复发生同类错误：{_EXCLUDED[0]}", f"A repeated mistake: {_EXCLUDED[1]}"),
    Kind("EXTENDED_ALREADY", 422, "核实期限只能延长一次。", "The time to verify is extended once."),
    Kind("NAMED_TWICE", 422, "同一人被重复列入。", "Somebody is named twice."),
    Kind("NOT_APPLICANT", 403, "只有申请人可以执行此操作。", "Only the applicant takes this step."),
    Kind("NOT_ASSIGNED", 403, "只有指定的核实人员可以核实。", "Only those who were assigned verify the case."),
    Kind("NOT_CONCERNED", 422, "该问题与申请人无关。", "The finding does not concern the applicant."),
    Kind("NO_NEW_FACTS", 422, "重新申请须有新的事实。", "Filing again wants new facts."),
    Kind("OUT_OF_TIME", 422, "已过期限。", "The time for it is over."),
    Kind("PANEL_MAJORITY", 422, "赞成票不足。", "The majority of the panel is not reached."),
    Kind("PANEL_QUORUM", 422, "审议组人数不足。", "The panel is too small."),
    Kind("REASON_MISSING", 422, "请说明理由。", "A reason is wanted."),
    Kind("REFILED_ALREADY", 422, "不予受理后只能重新申请一次。", "It was filed again before."),
    Kind("SAME_DECIDER", 422, "须由另一人确认决定。", "Another person must confirm the decision."),
    Kind("SAME_VERIFIER", 422, "须由另一人核实。", "The other verifier must confirm."),
    Kind("STAGE_TOO_EARLY", 422, "问责程序尚未启动。", "Accountability has not begun."),
    Kind("STAGE_TOO_LATE", 422, "申请期已过。", "The time to ask is over."),
    Kind("UNKNOWN_CADRE", 422, "名册中没有该干部。", "The roster has no such cadre."),
    Kind("UNKNOWN_CIRCUMSTANCE", 422, "容错情形不在目录内。", "The catalogue has no such circumstance."),
    Kind("UNKNOWN_EVIDENCE", 422, "没有该证据文件。", "There is no such evidence."),
    Kind("UNKNOWN_EXCLUSION", 422, "排除情形不在目录内。", "The catalogue has no such exclusion."),
)
