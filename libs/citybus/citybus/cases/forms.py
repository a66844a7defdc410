"""What the requests and answers about every case have in common."""

from marshmallow import Schema, fields, validate

MAX_REASON = 2000


class Form(Schema):
    """The body of a transition's request: it may give a reason. Forms of a service add their own fields."""

    reason = fields.String(
        validate=validate.Length(1, MAX_REASON), metadata={"description": "理由 why this step is taken"}
    )


class CaseView(Schema):
    """What a reader sees of every case. Views of a service add their own fields."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    version = fields.Integer(required=True, metadata={"description": "the ETag; send it back as If-Match"})
    created_at = fields.AwareDateTime(required=True)
    changed_at = fields.AwareDateTime(required=True)


class Why(Schema):
    """Why an action is refused now."""

    code = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    figures = fields.Dict(required=True)


class Option(Schema):
    """An action that leads on from the case's state: allowed to the caller now, or why not."""

    action = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    allowed = fields.Boolean(required=True)
    method = fields.String(required=True)
    href = fields.String(required=True)
    form = fields.Dict(required=True, metadata={"description": "JSON Schema of the request's body"})
    why = fields.Nested(Why)


class PastStep(Schema):
    """One step that was taken on a case."""

    version = fields.Integer(required=True)
    number = fields.Integer(
        required=True, metadata={"description": "顺序号 its order among the steps of all cases of the service"}
    )
    action = fields.String(required=True)
    from_state = fields.String(required=True, allow_none=True)
    to_state = fields.String(required=True)
    actor = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    at = fields.AwareDateTime(required=True)
    reason = fields.String(required=True, allow_none=True)
    rule_packs = fields.List(fields.String(), required=True)
    event_cause = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "起因事件 id of the event because of which the system took it"},
    )


class History(Schema):
    """The steps of a case, oldest first."""

    items = fields.List(fields.Nested(PastStep), required=True)
