"""OpenAPI of what is passed on unread: its query, its body and its headers, out of the models in `schemas`."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Idempotency-Key": {
        "required": True,
        "description": "Repeating a request under its key does nothing twice; a lost answer is asked for again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "If-Match": {
        "required": True,
        "description": "The ETag that was read, or the version in quotes",
        "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'},
    },
    "If-None-Match": {
        "required": False,
        "description": "The ETag of what is known: the answer is 304 while that is still right",
        "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}


def described(
    *,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    body_required: bool = True,
    csv: bool = False,
    headers: Sequence[str] = (),
    open_to_all: bool = False,
) -> dict[str, Any]:
    """`openapi_extra=` of a route that passes these on; `open_to_all` when a credential may be given and need not."""
    parameters = [{"name": name, "in": "header", **_HEADERS[name]} for name in headers]
    if query:
        parameters += _query(inlined(query))
    extra: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if open_to_all:
        extra["security"] = [{}]
    if csv:
        extra["requestBody"] = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    if body:
        schema = inlined(body) if body_required else {"anyOf": [inlined(body), {"type": "null"}]}
        required = {"required": True} if body_required else {}
        extra["requestBody"] = {**required, "content": {"application/json": {"schema": schema}}}
    return extra


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model without references: `#/$defs` means something else inside an OpenAPI document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if reference := node.get("$ref"):
                return resolved(definitions[reference.removeprefix("#/$defs/")])
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(entry) for entry in node] if isinstance(node, list) else node

    inline: dict[str, Any] = resolved(schema)
    return inline


def _query(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    parameters = []
    for name, entry in schema["properties"].items():
        shape = {key: value for key, value in entry.items() if key != "description"}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": shape}
        if "description" in entry:
            parameter["description"] = entry["description"]
        parameters.append(parameter)
    return parameters
