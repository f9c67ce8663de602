"""The description of the API (OpenAPI) as what its page shows: operations, fields and examples.

Knows the subset of JSON Schema that our own shapes are written in. Pure: no request, no service.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Schema = Mapping[str, Any]

_REF = "#/components/schemas/"
_METHODS = ("get", "post", "put", "patch", "delete")
#: Each constraint of a value, in words.
_CONSTRAINTS = {
    "minimum": "from {}",
    "maximum": "up to {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "matches `{}`",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Of a type: some text, which leads to a shape if it is the name of one."""

    text: str
    shape: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or of a shape. `where`: path, query or nothing."""

    name: str
    type: tuple[Part, ...]
    words: str
    required: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """Of one media type. `fields` are those of its shape, if it has one."""

    media_type: str
    type: tuple[Part, ...]
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    phrase: str
    words: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    title: str
    words: str
    parameters: tuple[Field, ...]
    body: Body | None
    example: object  # a body that would do; None where there is none
    answers: tuple[Answer, ...]
    refusals: tuple[Answer, ...]
    is_public: bool

    def curl(self, origin: str) -> str:
        """A command that asks for it, of several lines."""
        lines = [f"curl -X {self.method} {shlex.quote(origin + self.path)}"]
        if self.method == "GET":
            lines = [f"curl {shlex.quote(origin + self.path)}"]
        if not self.is_public:
            lines.append("-H 'Authorization: Bearer TOKEN'")
        if self.body is not None:
            lines.append(f"-H 'Content-Type: {self.body.media_type}'")
            lines.append(f"-d {shlex.quote(json.dumps(self.example, ensure_ascii=False))}")
        return " \\\n  ".join(lines)


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    words: str
    fields: tuple[Field, ...]


def operations(document: Schema) -> dict[str, list[Operation]]:
    """All of them by their tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = _operation(document, method, path, methods[method])
                found.setdefault(methods[method]["tags"][0], []).append(operation)
    return found


def shapes(document: Schema) -> list[Shape]:
    """Everything that fields refer to, by name."""
    schemas = document["components"]["schemas"]
    return [
        Shape(name, _line(schemas[name].get("description", "")), _fields(schemas[name]))
        for name in sorted(schemas)
    ]


def _operation(document: Schema, method: str, path: str, described: Schema) -> Operation:
    answers = [_answer(status, answer) for status, answer in described["responses"].items()]
    answers.sort(key=lambda answer: answer.status)
    content = described.get("requestBody", {}).get("content", {})
    bodies = [_body(media, found["schema"], document) for media, found in content.items()]
    schema = next((found["schema"] for found in content.values()), None)
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        title=described["summary"].capitalize(),
        words=_line(described.get("description", "")),
        parameters=tuple(_parameter(each) for each in described.get("parameters", ())),
        body=bodies[0] if bodies else None,
        example=None if schema is None else _example("", schema, document),
        answers=tuple(answer for answer in answers if answer.status < 400),
        refusals=tuple(answer for answer in answers if answer.status >= 400),
        is_public=not described.get("security"),
    )


def _line(text: str) -> str:
    """What stands in several lines of a source file is one paragraph."""
    return " ".join(text.split())


def _parameter(described: Schema) -> Field:
    schema = described["schema"]
    return Field(
        name=described["name"],
        type=tuple(_type(schema)),
        words=_words({**schema, "description": described.get("description", "")}),
        required=described.get("required", False),
        where=described["in"],
    )


def _answer(status: str, described: Schema) -> Answer:
    words = described.get("description", "")
    phrase = HTTPStatus(int(status)).phrase
    return Answer(
        status=int(status),
        phrase=phrase,
        words="" if words in (phrase, "Successful Response") else words,
        bodies=tuple(
            Body(media, tuple(_type(content.get("schema", {}))))
            for media, content in described.get("content", {}).items()
        ),
    )


def _body(media_type: str, schema: Schema, document: Schema) -> Body:
    return Body(media_type, tuple(_type(schema)), _fields(_resolved(schema, document)))


def _resolved(schema: Schema, document: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][_name(schema)]
    return found


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(_REF)


def _fields(schema: Schema) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, tuple(_type(field)), _words(field), name in required)
        for name, field in schema.get("properties", {}).items()
    )


def _words(schema: Schema) -> str:
    said = [_line(schema.get("description", ""))]
    for holder in (schema, *_choices(schema)):
        said += [text.format(holder[key]) for key, text in _CONSTRAINTS.items() if key in holder]
    if schema.get("default") not in (None, ""):
        said.append(f"default `{json.dumps(schema['default'])}`")
    return "; ".join(text for text in said if text)


def _choices(schema: Schema) -> Iterable[Schema]:
    choices: Iterable[Schema] = schema.get("anyOf") or schema.get("oneOf") or ()
    return choices


def _type(schema: Schema) -> Iterator[Part]:
    if "$ref" in schema:
        yield Part(_name(schema), shape=True)
    elif choices := list(_choices(schema)):
        for number, choice in enumerate(choices):
            if number:
                yield Part(" or ")
            yield from _type(choice)
    elif "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        yield Part(", ".join(json.dumps(value) for value in values))
    elif schema.get("type") == "array":
        yield Part("list of ")
        yield from _type(schema.get("items", {}))
    elif isinstance(inner := schema.get("additionalProperties"), Mapping):
        yield Part("object of ")
        yield from _type(inner)
    else:
        yield Part(schema.get("type", "bytes"))


def _example(name: str, schema: Schema, document: Schema) -> object:
    """A value that such a field may have."""
    schema = _resolved(schema, document)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if schema.get("default") is not None:
        return schema["default"]
    if choices := list(_choices(schema)):
        return _example(name, choices[0], document)
    if "properties" in schema:
        return _example_object(schema, document)
    of_type = {"integer": schema.get("minimum", 1), "number": 1, "boolean": True, "array": []}
    return of_type.get(schema.get("type", ""), name or "text")


def _example_object(schema: Schema, document: Schema) -> dict[str, object]:
    """With what it must have; of one that must have nothing, its last field."""
    fields = schema["properties"]
    wanted = schema.get("required") or list(fields)[-1:]
    return {name: _example(name, fields[name], document) for name in wanted}
