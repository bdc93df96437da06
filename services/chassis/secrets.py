"""Secrets by reference: on Lambda the environment says where a secret lies, and this reads it.

ECS resolves the same references itself, so only the Lambda door needs this. Their form is that of ECS:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
"""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from services.chassis.errors import Unavailable
from services.chassis.logs import logger

LIFETIME = 300.0  # seconds until the secrets are read again
RETRY = 15.0  # seconds until they are tried again after a failure, while the old values serve

_REFERENCE = re.compile(r"(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+)(?::([^:]*):([^:]*):([^:]*))?")

log = logger("secrets")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one secret: what is fetched at once, whatever is wanted of it. Empty means the current one."""

    arn: str
    stage: str = ""
    identifier: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A value of the environment that stands for a secret, or with `member` for one value of a JSON object in it."""

    version: Version
    member: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None when the text is a value of its own."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            return None
        arn, member, stage, identifier = found.groups(default="")
        return cls(Version(arn, stage, identifier), member)

    def value(self, secret: str) -> str:
        """Raises ValueError, which does not quote the secret."""
        if not self.member:
            return secret
        try:
            value = json.loads(secret)[self.member]
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"the secret has no member {self.member!r}") from None
        return value if isinstance(value, str) else json.dumps(value)


Fetch = Callable[[Version], str]


class Secrets:
    """An environment with its references resolved: each version fetched once, and again after LIFETIME.

    Values that were read once serve on, all of them together, while they cannot be read again.
    """

    def __init__(
        self, env: Mapping[str, str], *, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._env = env
        self._fetch = fetch
        self._clock = clock
        self._known: Mapping[str, str] | None = None
        self._read_again = 0.0

    def environment(self) -> Mapping[str, str]:
        """What the environment says, taken when first asked; the same object until a value changes.

        Raises Unavailable.
        """
        if self._known is None:
            self._env = dict(self._env)
        elif self._clock() < self._read_again:
            return self._known
        references = {key: found for key, text in self._env.items() if (found := Reference.parse(text))}
        try:
            values = self._values(references)
        except Exception as error:  # whatever the SDK raises: no rights, no network, no such secret
            log.warning("secrets not read", reason=repr(error), stale=self._known is not None)
            if self._known is None:
                raise Unavailable("A secret could not be read") from error
            self._read_again = self._clock() + RETRY
            return self._known
        self._read_again = self._clock() + LIFETIME if references else math.inf
        env = {**self._env, **values}
        if env != self._known:
            self._known = env
        return self._known

    def _values(self, references: Mapping[str, Reference]) -> dict[str, str]:
        if not references:
            return {}
        self._fetch = self._fetch or secrets_manager()
        secrets = {version: self._fetch(version) for version in {found.version: None for found in references.values()}}
        return {key: found.value(secrets[found.version]) for key, found in references.items()}


def secrets_manager() -> Fetch:
    """Reads from Secrets Manager. The SDK is loaded here and not above: it costs as much as the rest of a cold start.

    Raises what the SDK raises, within ten seconds.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
    provider = SecretsProvider(boto_config=patience)

    def fetch(version: Version) -> str:
        named = {"VersionStage": version.stage, "VersionId": version.identifier}
        wanted: dict[str, Any] = {key: value for key, value in named.items() if value}
        # Powertools would keep the value too, but raise when it cannot be refreshed.
        text = provider.get(version.arn, force_fetch=True, **wanted)
        return text.decode() if isinstance(text, bytes) else str(text)

    return fetch
