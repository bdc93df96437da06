"""boto3 clients whose requests end in a fake: botocore checks what is asked and what is answered against AWS's model.

A fake is an object with the methods of the client. What is called is kept as IAM names it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.validate import validate_parameters

PREFIXES = {"elbv2": "elasticloadbalancing"}
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}


class Refused(ClientError):
    """What AWS says no with."""

    def __init__(self, code: str, operation: str = "Something") -> None:
        super().__init__({"Error": {"Code": code, "Message": f"{code}, says AWS"}}, operation)


@dataclass
class Wire:
    """`fakes` by boto3's service name. `broken` names actions that fail from now on."""

    fakes: Mapping[str, Any]
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    @property
    def actions(self) -> set[str]:
        return {action for action, _ in self.calls}

    def client(self, service: str) -> Any:
        if service not in self.fakes:
            raise AssertionError(f"nobody expected a client of {service}")
        _answering[service] = self
        return _client(service)

    def answer(self, service: str, model: OperationModel, given: Mapping[str, Any]) -> Mapping[str, Any]:
        action = f"{PREFIXES.get(service, service)}:{model.name}"
        action = ACTIONS.get(action, action)
        self.calls.append((action, given))
        if action in self.broken:
            raise Refused("ThrottlingException", model.name)
        answer: Mapping[str, Any] = getattr(self.fakes[service], _python_name(model.name))(**given)
        if model.output_shape is not None:
            validate_parameters(answer, model.output_shape)
        return answer


_answering: dict[str, Wire] = {}


@cache
def _client(service: str) -> Any:
    make: Callable[..., Any] = boto3.client  # its overloads want a literal name
    client = make(service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.meta.events.register("provide-client-params.*", _remember)
    client.meta.events.register("before-call.*", _answer_of(service))
    return client


def _remember(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["given"] = params


def _answer_of(service: str) -> Callable[..., tuple[Any, Mapping[str, Any]]]:
    def answer(model: OperationModel, context: Mapping[str, Any], **_: Any) -> tuple[Any, Mapping[str, Any]]:
        return SimpleNamespace(status_code=200), _answering[service].answer(service, model, context["given"])

    return answer


def _python_name(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
