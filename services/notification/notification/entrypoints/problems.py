"""The codes of notification's own refusals, as the page of problems lists them."""

from typing import Final

from citybus.http.problems import Kind

PROBLEMS: Final = (
    Kind("AVOIDANCE", 422, "应当回避。", "Somebody who has no part in the matter must do it."),
    Kind("CADRE_LEFT", 422, "干部已离任。", "The cadre has left."),
    Kind("CHANNEL_CONFIRMS_ITSELF", 422, "该渠道由系统核实。", "The system asks this channel itself."),
    Kind("CLASS_EXCEEDED", 422, "字段的数据级别过高。", "Fields are of too high a data class."),
    Kind("FIELD_NOT_IN_CONTRACT", 422, "该类事件没有这些字段。", "The event type has no such fields."),
    Kind("LEGAL_BASIS_MISSING", 422, "须写明法律依据。", "The legal basis must be named."),
    Kind("NOTICE_NOT_GIVEN", 422, "更正文本尚未送达该渠道。", "The channel was not given the correction yet."),
    Kind("NOT_OPENED", 422, "请先打开文书。", "Open the document first."),
    Kind("PROOF_MISSING", 422, "须先上传证明。", "Store the proof first."),
    Kind("PROOF_TOO_LARGE", 413, "文件过大。", "The file is too large."),
    Kind("PROOF_TYPE", 415, "只接受 PDF、JPEG 或 PNG 文件。", "A proof is a PDF, JPEG or PNG file."),
    Kind("REASON_MISSING", 422, "请说明理由。", "A reason is wanted."),
    Kind("UNKNOWN_CADRE", 422, "名册中没有该干部。", "The roster has no such cadre."),
    Kind("UNKNOWN_DEPARTMENT", 422, "总线上没有该部门的队列。", "No such department has a queue on the bus."),
    Kind("UNKNOWN_EVENT_TYPE", 422, "没有可供共享的该类事件。", "There is no such event type that may be shared."),
    Kind("VALIDITY_OVER", 422, "有效期已过。", "The last day is over."),
    Kind("VALIDITY_TOO_LONG", 422, "有效期过长。", "It would last too long."),
    Kind("WITNESS_NOT_INDEPENDENT", 422, "见证人不独立。", "The witness has a part in the service."),
)
