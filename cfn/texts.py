"""JSON in a string, with values in it that only CloudFormation knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from troposphere import AWSHelperFn, Sub

from cfn.wiring import Value, minified


@dataclass(frozen=True, slots=True)
class Bare:
    """An open value that stands in JSON without quotation marks."""

    value: Value


def text_of(document: Any) -> Value:
    """JSON as a string whose open values CloudFormation fills in: names and ARNs, which need no escaping there."""
    values: dict[str, Value] = {}
    written = minified(_marked(document, values))
    for name in [name for name, value in values.items() if isinstance(value, Bare)]:
        written = written.replace(f'"${{{name}}}"', f"${{{name}}}")
        values[name] = values[name].value
    return Sub(written, **values)


def _marked(value: Any, values: dict[str, Value]) -> Any:
    """The same with a variable for each open value, which goes into `values`."""
    if isinstance(value, Mapping):
        return {key: _marked(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, values) for item in value]
    if isinstance(value, AWSHelperFn | Bare):
        name = next((name for name, known in values.items() if known == value), f"V{len(values)}")
        values.setdefault(name, value)
        return f"${{{name}}}"
    return value
