"""What is wrong with settings, in plain words: one line for each problem, and never a secret."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamer.redact import HIDDEN, redacted

Loc = tuple[str | int, ...]
"""Where an option is: names of sections and keys, and positions in lists, from the top."""

LONGEST = 40
"""Characters of a wrong value that a message repeats at most."""

MOST = 100
"""Problems that are listed: a file that is something else may have thousands."""

_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "less than {}"),
}
_NUMBERS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "ip_any_address": "an IP address, like 192.0.2.7",
}
_CONTAINERS = {
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
    "tuple_type": "a list",
}
_TEXTS = {"string_type", "path_type"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what, without a full stop."""

    loc: Loc
    cause: str

    @property
    def key(self) -> str:
        """Where, as it is written in messages: `mask.cells`."""
        return ".".join(redacted(str(part))[:60] for part in self.loc) or "the top level"

    def __str__(self) -> str:
        return f"{self.key}: {self.cause}"


def problems_of(error: ValidationError, kind: type[BaseModel]) -> list[Problem]:
    """Every problem that validation against `kind` found; beyond `MOST` only their number."""
    found = error.errors(include_url=False)
    problems = list(dict.fromkeys(_problem(details, kind) for details in found[:MOST]))
    if len(found) > MOST:
        problems.append(Problem((), f"has {len(found) - MOST} more problems"))
    return problems


def secrets_of(value: object, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Every secret in a section, and where it is."""
    if isinstance(value, SecretStr):
        yield loc, value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_of(getattr(value, name), (*loc, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from secrets_of(item, (*loc, index))


def hidden_secrets(settings: BaseModel) -> list[Problem]:
    """Secrets that are `***`: the output of `config show` was used as a settings file."""
    cause = f"{HIDDEN} stands for a secret that was not shown: write the secret itself"
    return [Problem(loc, cause) for loc, secret in secrets_of(settings) if secret == HIDDEN]


def choice(options: list[str], given: object) -> str:
    """The message about a value that is none of the options."""
    return f"must be {_either(options)}{_not(given)}"


def _problem(details: ErrorDetails, kind: type[BaseModel]) -> Problem:
    loc, given, context = details["loc"], details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return Problem(loc, _unknown(loc, kind))
        case "invalid_key":
            return Problem(loc, "option names must be text")
        case "missing" if isinstance(loc[-1], int):  # a tuple of fixed length
            wanted = len(get_args(_unwrapped(_Place.of(kind, loc[:-1]).annotation)))
            return Problem(loc[:-1], f"must have {wanted} values, not {len(given)}")
        case "missing":
            return Problem(loc, "is missing")
    return Problem(loc, redacted(_cause(details["type"], details["msg"], context, given, _Place.of(kind, loc))))


def _cause(error: str, message: str, context: dict[str, Any], given: object, place: _Place) -> str:
    suffix = "" if place.secret else _not(given)
    if error in _BOUNDS:
        key, words = _BOUNDS[error]
        return f"must be {words.format(_number(context[key]))}{suffix}"
    if error in _NUMBERS:
        return f"must be {_NUMBERS[error]}{suffix}"
    if error in _CONTAINERS:
        return f"must be {_CONTAINERS[error]}, not {_sort(given)}"
    if error in _TEXTS:
        if isinstance(given, bool | int | float):
            return f"must be text{suffix}: put it in quotes"
        return f"must be text, not {_sort(given)}"
    match error:
        case "literal_error":
            return choice(list(get_args(_unwrapped(place.annotation))), given)
        case "too_short" if isinstance(given, str):
            return f"must have at least {context['min_length']} characters"
        case "too_short":
            return f"must have at least {context['min_length']} values, not {context['actual_length']}"
        case "too_long":
            return f"must have {context['max_length']} values, not {context['actual_length']}"
        case "string_pattern_mismatch":
            return f"must look like {_either(place.examples)}"
        case "recursion_loop":
            return "must not contain itself"
        case "value_error":
            return str(context["error"])
    return message.replace("Input should be", "must be")


def _unknown(loc: Loc, kind: type[BaseModel]) -> str:
    name = str(loc[-1])
    said = f"there is no option {redacted(name)[:60]!r}"
    if loc == ("live",):
        return f"{said} for files: it is for veilcast live"
    section = _unwrapped(_Place.of(kind, loc[:-1]).annotation)
    names = list(section.model_fields) if _is_section(section) else []
    if near := difflib.get_close_matches(name, names, 1):
        return f"{said}; did you mean {near[0]!r}?"
    if elsewhere := next((path for path in _paths(kind) if path[-1] == name), None):
        return f"{said} here; did you mean {'.'.join(elsewhere)!r}?"
    return f"{said}; there are: {', '.join(names)}"


def _paths(kind: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names of all options from the top; not those of sections in lists."""
    for name, field in kind.model_fields.items():
        yield (*above, name)
        inner = _unwrapped(field.annotation)
        if _is_section(inner):
            yield from _paths(inner, (*above, name))


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of the option at some place."""

    annotation: object
    field: FieldInfo | None = None

    @classmethod
    def of(cls, kind: type[BaseModel], loc: Loc) -> _Place:
        """Follows `loc` down from `kind`; nothing is known of what is not there."""
        place = cls(kind)
        for part in loc:
            place = place._below(part)
        return place

    def _below(self, part: str | int) -> _Place:
        around = _unwrapped(self.annotation)
        if _is_section(around) and part in around.model_fields:
            field = around.model_fields[part]
            return _Place(field.annotation, field)
        arguments = get_args(around)
        if get_origin(around) is tuple and isinstance(part, int):
            if arguments[-1] is Ellipsis:
                return _Place(arguments[0])
            if part < len(arguments):
                return _Place(arguments[part])
        return _Place(None)

    @property
    def secret(self) -> bool:
        """Whether a value must not be shown: also where nobody knows what it is."""
        return self.annotation is None or _holds_secret(self.annotation)

    @property
    def examples(self) -> list[str]:
        """Values that would be right."""
        metadata = getattr(self.annotation, "__metadata__", ())
        fields = [self.field, *(item for item in metadata if isinstance(item, FieldInfo))]
        return [str(example) for field in fields if field is not None for example in field.examples or ()]


def _unwrapped(annotation: object) -> object:
    """The type itself, without `Annotated` and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation


def _is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _either(options: list[str]) -> str:
    return f"{', '.join(options[:-1])} or {options[-1]}" if len(options) > 1 else "".join(options)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _not(given: object) -> str:
    """What was given instead, if that is a plain value which can be shown."""
    if isinstance(given, bool):
        return f", not {str(given).lower()}"
    if given is None:
        return ", not nothing"
    if isinstance(given, float):
        return f", not {given}" if math.isfinite(given) else f", not .{given}"  # as YAML writes them
    if isinstance(given, int):
        return f", not {given}" if abs(given) < 10**LONGEST else ""
    if isinstance(given, str):
        text = redacted(given)
        return f", not {text!r}" if len(text) <= LONGEST else f", not '{text[:LONGEST]}...'"
    return f", not {_sort(given)}"


def _sort(given: object) -> str:
    """The sort of value, in words."""
    for kinds, words in (
        ((dict,), "a section"),
        ((list, tuple), "a list"),
        ((str, SecretStr), "text"),
        ((bool, int, float), "a number"),
        ((type(None),), "nothing"),
    ):
        if isinstance(given, kinds):
            return words
    return f"a {type(given).__name__}"
