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
    Kind("BATCH_CLOSED", 409, "该批次当前不在提名遴选阶段。", "The batch is not open for candidates now."),
    Kind(
        "COMMITTEE_CONFIRMS",
        403,
        "须由市委常委会（部务会）确认取消。",
        "The committee confirms that somebody is dropped.",
    ),
    Kind("CONSENT_MISSING", 422, "须有同意处理个人信息的记录。", "A record of the person's consent is wanted."),
    Kind(
        "DEVIATION_UNEXPLAINED", 422, "决定与建议不同，须说明理由。", "The decision differs from the advice; say why."
    ),
    Kind("DROP_UNCONFIRMED", 422, "有人选尚未确认取消。", "Somebody who was stopped is not dropped yet."),
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
    Kind("GATE_BLOCKED", 422, "资格未通过。", "The gate is closed."),
    Kind("GATE_PENDING", 422, "资格暂不能判定。", "The gate cannot tell yet."),
    Kind("GROUP_NOT_AGED", 422, "班子年龄结构不属于定向选用范围。", "The group is not due for younger members."),
    Kind("NAMED_TWICE", 422, "同一人被重复列入。", "Somebody is named twice."),
    Kind("NOBODY_SELECTED", 422, "尚未确定拟任人选。", "Nobody is selected yet."),
    Kind("NOT_APPLICANT", 403, "只有申请人可以执行此操作。", "Only the applicant takes this step."),
    Kind("NOT_ASSIGNED", 403, "只有指定的核实人员可以核实。", "Only those who were assigned verify the case."),
    Kind("NOT_CONCERNED", 422, "该问题与申请人无关。", "The finding does not concern the applicant."),
    Kind("NOT_ELIGIBLE", 422, "不符合本批次条件。", "The criteria of the batch are not met."),
    Kind("NO_NEW_FACTS", 422, "重新申请须有新的事实。", "Filing again wants new facts."),
    Kind("OUT_OF_RANGE", 422, "日期不在允许范围内。", "The day is out of range."),
    Kind("OUT_OF_TIME", 422, "已过期限。", "The time for it is over."),
    Kind("PANEL_MAJORITY", 422, "赞成票不足。", "The majority of the panel is not reached."),
    Kind("PANEL_QUORUM", 422, "审议组人数不足。", "The panel is too small."),
    Kind("POSITION_INCOMPLETE", 422, "岗位信息不完整。", "A position lacks what its kind wants."),
    Kind("PUBLICITY_OPEN", 422, "公示期未满。", "The publicity is not over."),
    Kind("REASON_MISSING", 422, "请说明理由。", "A reason is wanted."),
    Kind("REFILED_ALREADY", 422, "不予受理后只能重新申请一次。", "It was filed again before."),
    Kind("REVIEW_TOO_EARLY", 422, "未到评估时间。", "It is not time for the review."),
    Kind("SAME_DECIDER", 422, "须由另一人确认决定。", "Another person must confirm the decision."),
    Kind("SAME_VERIFIER", 422, "须由另一人核实。", "The other verifier must confirm."),
    Kind("SECONDMENT_RANGE", 422, "挂职时间不在允许范围内。", "A secondment is too short or too long."),
    Kind("SLOTS_FULL", 422, "该岗位职数已满。", "All slots of the position are taken."),
    Kind("STAGE_TOO_EARLY", 422, "问责程序尚未启动。", "Accountability has not begun."),
    Kind("STAGE_TOO_LATE", 422, "申请期已过。", "The time to ask is over."),
    Kind("TOO_FEW_QUALIFIED", 422, "入围合格人选不足。", "Too few qualified people are on the shortlist."),
    Kind("UNKNOWN_BATCH", 422, "没有该批次。", "There is no such batch."),
    Kind("UNKNOWN_CADRE", 422, "名册中没有该干部。", "The roster has no such cadre."),
    Kind("UNKNOWN_CIRCUMSTANCE", 422, "容错情形不在目录内。", "The catalogue has no such circumstance."),
    Kind("UNKNOWN_EVIDENCE", 422, "没有该证据文件。", "There is no such evidence."),
    Kind("UNKNOWN_EXCLUSION", 422, "排除情形不在目录内。", "The catalogue has no such exclusion."),
    Kind("UNKNOWN_KIND", 422, "没有该批次类型。", "There is no such kind of batch."),
    Kind("UNKNOWN_POSITION", 422, "批次中没有该岗位。", "The batch has no such position."),
    Kind("WRONG_PERSON", 422, "提名对象与批次类型不符。", "This kind of batch is for other people."),
)
