"""marshmallow fields for values read as text: texts, numbers, booleans, conditions, and targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_dump, post_load, pre_load, validates_schema

from widget.content.located import Text
from widget.domain.catalog.target import TARGET_KINDS, Target, TargetError, format_targets, parse_targets
from widget.domain.content.problem import nearest, unknown_text
from widget.domain.quiz.condition import RESERVED, Condition, ConditionError, parse_condition

_ID = re.compile(r"[a-z0-9-]+")
_LINK = re.compile(r"(https?://[^\s/\\]|/(?![/\\]))\S*")
_WHOLE = re.compile(r"[+-]?\d{1,15}")


class Hint(str):
    """An error message with the nearest valid name."""

    __slots__ = ("suggestion",)
    suggestion: str | None

    @classmethod
    def unknown(cls, what: str, word: str, known: Iterable[str]) -> Hint:
        suggestion = nearest(word, known)
        text = cls(unknown_text(what, word, known))
        text.suggestion = suggestion
        return text


class Word(fields.Field[str]):
    """Text used for matching (SKU, tag, form): never empty, and kept exactly as written, even ``null``."""

    null_is_text = True

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if not value.strip():
            raise ValidationError("must not be empty")
        if "\x00" in value:
            raise ValidationError("must not contain a NUL character")
        return str(value)


class Sku(Word):
    """A SKU. It contains no double quotes, since targets quote SKUs with them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        sku = super()._deserialize(value, attr, data, **kwargs)
        if '"' in sku:
            raise ValidationError("a SKU must not contain a double quote")
        return sku


class Id(Word):
    """A stable id: ``[a-z0-9-]+``, except reserved words."""

    def __init__(self, reserved: frozenset[str] = RESERVED, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reserved = reserved

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs)
        if not _ID.fullmatch(word):
            raise ValidationError(f"'{word}' is not a valid id: use a-z, 0-9, and -")
        if word in self.reserved:
            raise ValidationError(f"'{word}' is a reserved word")
        return word


class Prose(fields.Field[str]):
    """Text for people to read, kept as written."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if "\x00" in value:
            raise ValidationError("must not contain a NUL character")
        if self.required and not value.strip():
            raise ValidationError("must not be empty")
        return str(value)


class StoreId(Prose):
    """A store's own id; an empty one, as in spreadsheets and exports, is loaded as None."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).strip() or None


class WebLink(Prose):
    """A URL: https://…, http://…, or a path on the storefront."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        link = super()._deserialize(value, attr, data, **kwargs)
        if not _LINK.fullmatch(link):
            raise ValidationError("must be a URL that starts with https:// or /")
        return link


class Choice(Prose):
    """One of a fixed set of words."""

    def __init__(self, *choices: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs)
        if word not in self.choices:
            raise ValidationError(Hint.unknown("value", word, self.choices))
        return word


class Whole(fields.Field[int]):
    """A whole number between ``least`` and ``most``, if given."""

    def __init__(self, least: int | None = None, most: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _WHOLE.fullmatch(value):
            raise ValidationError(
                f"must be a whole number, not '{value}'" if isinstance(value, str) else "must be a whole number"
            )
        number = int(value)
        if self.least is not None and number < self.least:
            raise ValidationError(f"must be at least {self.least}")
        if self.most is not None and number > self.most:
            raise ValidationError(f"must be at most {self.most}")
        return number


class Amount(fields.Field[Decimal]):
    """A decimal number of at least 0, such as 0.4."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Decimal:
        try:
            number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            raise ValidationError("must be a number that is 0 or higher")
        return number

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else format(value, "f")


class Flag(fields.Field[bool]):
    """A boolean: ``true`` or ``false``, nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("must be true or false")
        return bool(value == "true")


class Day(fields.Field[date]):
    """A date in the format YYYY-MM-DD."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            if isinstance(value, str) and len(value) == 10:
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise ValidationError("must be a date such as 2027-05-31")

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class Listed(fields.Field[tuple[Any, ...]]):
    """A list, loaded as a tuple. With ``alone``, a single text is accepted as a list of one."""

    def __init__(self, inner: fields.Field[Any], *, alone: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.alone = inner, alone

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[Any, ...]:
        if self.alone and isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            raise ValidationError("must be a list")
        found, errors = [], {}
        for index, item in enumerate(value):
            try:
                found.append(self.inner.deserialize(item))
            except ValidationError as error:
                errors[index] = error.messages
        if errors:
            raise ValidationError(errors)
        return tuple(found)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else [self.inner._serialize(item, None, value) for item in value]


class ByWord(fields.Field[dict[str, Any]]):
    """A mapping from words to values of one kind."""

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must map names to values")
        found, errors = {}, {}
        for key, item in value.items():
            try:
                found[str(key)] = self.inner.deserialize(item)
            except ValidationError as error:
                errors[str(key)] = error.messages
        if errors:
            raise ValidationError(errors)
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return {key: self.inner._serialize(item, None, value) for key, item in value.items()}


class When(fields.Field[Condition]):
    """A condition; the error message for an invalid one points to the character."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Condition:
        if not isinstance(value, str):
            raise ValidationError("must be a condition, as text")
        try:
            return parse_condition(value)
        except ConditionError as error:
            at, near = error.at, 24
            shown = f"{value[max(0, at - near) : at]}▸{value[at : at + near]}"
            text = f"cannot read the condition at character {at + 1} (at ▸ in “{shown}”): {error.message}"
            raise ValidationError(text) from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return str(value)


class Targets(fields.Field[tuple[Target, ...]]):
    """Targets such as ``form:cream; tag:menthol``."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[Target, ...]:
        if not isinstance(value, str) or not value.strip():
            raise ValidationError("needs a target, such as form:cream or all")
        try:
            return parse_targets(value)
        except TargetError as error:
            hint = Hint.unknown("target kind", error.kind, TARGET_KINDS) if error.kind is not None else error.message
            raise ValidationError(hint) from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return format_targets(value)


class Record(Schema):
    """A table in a pack file, loaded as ``make``. Unknown keys are rejected, and empty optional keys left out."""

    make: type[Any]

    class Meta:
        unknown = "exclude"  # Unknown keys are rejected below, with the nearest valid name.

    @pre_load
    def _leave_out_nulls(self, data: Any, **kwargs: Any) -> Any:
        if not isinstance(data, dict):
            return data
        by_key = {field.data_key or name: field for name, field in self.fields.items()}
        return {key: value for key, value in data.items() if not _is_left_out(by_key.get(key), value)}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown_keys(self, data: Any, original: Any, **kwargs: Any) -> None:
        known = [field.data_key or name for name, field in self.fields.items()]
        unknown = [key for key in original if key not in known] if isinstance(original, dict) else []
        if unknown:
            raise ValidationError({key: [Hint.unknown("key", key, known)] for key in unknown})

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Any:
        return self.make(**data)

    @post_dump(pass_original=True)
    def _drop_defaults(self, data: dict[str, Any], original: Any, **kwargs: Any) -> dict[str, Any]:
        """Drop optional keys whose value is the default, so that keys that were left out are not written."""
        kept = {}
        for name, field in self.fields.items():
            key = field.data_key or name
            if key in data and (field.required or _get(original, name) != _default(self.make, name)):
                kept[key] = data[key]
        return kept


def _is_left_out(field: Any, value: Any) -> bool:
    if field is None or field.required or getattr(field, "null_is_text", False):
        return False
    return isinstance(value, Text) and value.is_null


def _get(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else getattr(record, name)


def _default(make: type[Any], name: str) -> Any:
    if make is dict:
        return None
    field = make.__dataclass_fields__[name]
    return field.default if field.default_factory is MISSING else field.default_factory()
