"""Schemas of the API, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from widget.actions.quiz.record_events import EVENTS

MAX_QUESTIONS, MAX_OPTIONS, MAX_EVENTS = 200, 200, 50
_short = validate.Length(max=200)


def _no_nul(text: str) -> None:
    if "\x00" in text:
        raise ValidationError("must not contain a NUL character")


class Strict(Schema):
    class Meta:
        unknown = RAISE


class AnswersField(fields.Field[dict[str, list[str]]]):
    """A map from question ids to lists of option ids. The quiz itself validates the ids."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, list[str]]:
        if not isinstance(value, dict) or len(value) > MAX_QUESTIONS:
            raise ValidationError("must map question ids to lists of option ids")
        for given in value.values():
            if not isinstance(given, list) or len(given) > MAX_OPTIONS:
                raise ValidationError("answers must be lists of option ids")
            if not all(isinstance(item, str) and len(item) <= 100 for item in given):
                raise ValidationError("option ids must be short strings")
        return value


class ResponseSchema(Strict):
    answers = AnswersField(
        required=True,
        metadata={
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "example": {"area": ["calves"], "soreness": ["6"]},
        },
    )
    version = fields.Integer(strict=True, load_default=None, allow_none=True, validate=validate.Range(1, 2**31 - 1))
    locale = fields.String(load_default=None, allow_none=True, validate=[validate.Length(max=35), _no_nul])
    product = fields.String(load_default=None, allow_none=True, validate=[_short, _no_nul])


class LocaleQuery(Schema):
    locale = fields.String(load_default=None, validate=[validate.Length(max=35), _no_nul])

    class Meta:
        unknown = "exclude"  # Cache busters and campaign tags in a URL are not errors.


class ResultQuery(LocaleQuery):
    html = fields.Boolean(load_default=False, metadata={"description": "include the result as ready-made HTML"})


class ResponseQuery(ResultQuery):
    attempt = fields.String(
        load_default="",
        validate=validate.Regexp(r"[A-Za-z0-9-]{16,64}\Z"),
        metadata={"description": "random key of a request: with the same key, a repeat is stored once"},
    )


class ConsentsSchema(Strict):
    result = fields.Boolean(required=True, truthy={True}, falsy={False})
    marketing = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    health_data = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class EmailRequestSchema(Strict):
    email = fields.String(required=True, validate=[validate.Length(min=3, max=254), _no_nul])
    consents = fields.Nested(ConsentsSchema, required=True)
    text_version = fields.String(required=True, validate=[validate.Length(min=1, max=40), _no_nul])
    locale = fields.String(load_default=None, allow_none=True, validate=[validate.Length(max=35), _no_nul])
    timezone = fields.String(load_default="", validate=[validate.Length(max=64), _no_nul])


class EventSchema(Strict):
    event = fields.String(required=True, validate=validate.OneOf(EVENTS))
    quiz = fields.String(required=True, validate=[_short, _no_nul])
    question = fields.String(load_default="", validate=[_short, _no_nul])
    sku = fields.String(load_default="", validate=[_short, _no_nul])
    version = fields.Integer(strict=True, load_default=None, allow_none=True, validate=validate.Range(1, 2**31 - 1))
    locale = fields.String(load_default=None, allow_none=True, validate=[validate.Length(max=35), _no_nul])


class EventsSchema(Strict):
    events = fields.List(fields.Nested(EventSchema), required=True, validate=validate.Length(1, MAX_EVENTS))


class ProblemSchema(Schema):
    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.Raw()
    version = fields.Integer(metadata={"description": "with version_gone: number of the live version"})


class PriceSchema(Schema):
    amount = fields.Integer(metadata={"description": "amount in minor units, such as cents"})
    currency = fields.String()
    text = fields.String()


class CardSchema(Schema):
    sku = fields.String(required=True)
    name = fields.String(required=True)
    form = fields.String()
    size = fields.String(allow_none=True)
    slot = fields.String()
    match = fields.Integer(allow_none=True)
    why = fields.List(fields.String())
    price = fields.Nested(PriceSchema, allow_none=True)
    url = fields.String(allow_none=True)
    image = fields.String(allow_none=True)
    in_stock = fields.Boolean()
    left = fields.Integer(allow_none=True)
    warnings = fields.List(fields.String())
    ingredients = fields.List(fields.String())
    cart = fields.Dict()


class ResultSchema(Schema):
    """A quiz result. Nested parts that come from the content pack are described only loosely."""

    shop = fields.String(required=True)
    quiz = fields.String(required=True)
    version = fields.Integer(required=True)
    locale = fields.String(required=True)
    dir = fields.String(required=True, validate=validate.OneOf(["ltr", "rtl"]))
    code = fields.String(required=True)
    url = fields.String(required=True)
    outcome = fields.String(
        required=True, validate=validate.OneOf(["products", "tips_only", "see_doctor", "emergency"])
    )
    headline = fields.String(allow_none=True)
    chips = fields.List(fields.Dict())
    curve = fields.Dict(allow_none=True)
    advice = fields.Dict(allow_none=True)
    tips = fields.List(fields.Dict(), required=True)
    products = fields.List(fields.Nested(CardSchema), required=True)
    product_in_view = fields.Dict(allow_none=True)
    plan = fields.List(fields.Dict())
    comparison = fields.Dict(allow_none=True)
    notices = fields.List(fields.String())
    emails_per_month = fields.Integer(metadata={"description": "maximum number of marketing emails in 30 days"})


class AnsweredSchema(Schema):
    result = fields.Nested(ResultSchema, required=True)
    visit = fields.String(required=True)
    html = fields.String()


class QuizSchema(Schema):
    shop = fields.String(required=True)
    quiz = fields.String(required=True)
    version = fields.Integer(required=True)
    locale = fields.String(required=True)
    dir = fields.String(required=True)
    title = fields.String(required=True)
    intro = fields.Dict()
    questions = fields.List(fields.Dict(), required=True)
    stop_if = fields.List(fields.Raw())
    notices = fields.List(fields.String())
    strings = fields.Dict()
