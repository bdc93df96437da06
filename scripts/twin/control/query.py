"""The query protocol of AWS: parameters with dots in their names come in, XML goes out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from scripts.twin.deployment.limits import Refused

Parameters = Mapping[str, Any]
NAMESPACE = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"


def parameters(content: bytes) -> dict[str, Any]:
    """`Actions.member.1.Type=forward` becomes `{"Actions": [{"Type": "forward"}]}`."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True):
        node = root
        *way, last = name.split(".")
        for step in way:
            following = node.setdefault(step, {})
            if not isinstance(following, dict):  # a name that is a value and a path at once
                following = node[step] = {}
            node = following
        node[last] = value
    found = _listed(root)
    return found if isinstance(found, dict) else {}


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if set(node) == {"member"}:
        members = node["member"]
        if isinstance(members, dict):
            return [_listed(members[index]) for index in sorted(members, key=_number)]
        return []
    return {key: _listed(value) for key, value in node.items()}


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def text(given: Parameters, key: str) -> str:
    """Raises Refused, as the next two do, for what is missing or of another form."""
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(f"{key} is missing.")
    return value


def strings(given: Parameters, key: str) -> list[str]:
    return [str(item) for item in _list(given, key)]


def members(given: Parameters, key: str) -> list[Mapping[str, Any]]:
    found = _list(given, key)
    if not all(isinstance(item, Mapping) for item in found):
        raise Refused(f"{key} is malformed.")
    return list(found)


def _list(given: Parameters, key: str) -> Sequence[Any]:
    found = given.get(key) or []
    if not isinstance(found, list):
        raise Refused(f"{key} is no list.")
    return found


def success(action: str, result: Mapping[str, Any]) -> str:
    content = "".join(_elements(f"{action}Result", result))
    request = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    return f'<{action}Response xmlns="{NAMESPACE}">{content}{request}</{action}Response>'


def failure(code: str, message: str) -> str:
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f'<ErrorResponse xmlns="{NAMESPACE}">{error}<RequestId>{uuid4()}</RequestId></ErrorResponse>'


def _elements(name: str, value: Any) -> Iterator[str]:
    """Nothing for None; a list as its members."""
    if value is None:
        return
    yield f"<{name}>"
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _elements(key, item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _elements("member", item)
    else:
        yield escape(str(value).lower() if isinstance(value, bool) else str(value))
    yield f"</{name}>"
