"""The one table of what differs between a setting in the templates and the same setting on this machine, and why.

Every key that a task definition or a function may have is in it. A key that is not stops `up`: somebody has to say
whether the value that AWS will give can be had here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.terminal import Problem
from scripts.twin.deployment.values import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What this machine has in place of AWS. `database_url` is empty for a service without a database."""

    port: int
    upstream_url: str
    control_url: str
    database_url: str
    trace_address: str
    secrets: Mapping[str, str]


Value = Callable[[Here, str], str]


@dataclass(frozen=True, slots=True)
class StandIn:
    """`key` gets `value` of what the template gave; with an empty key the setting is left out."""

    reason: str
    value: Value
    key: str = ""


def _secret(key: str) -> StandIn:
    reason = "AWS makes it in Secrets Manager; here it lies in .local/secrets.json"
    return StandIn(reason, lambda here, _: here.secrets[key], key)


def _left_out(reason: str) -> StandIn:
    return StandIn(reason, lambda _, given: given)


AS_GIVEN: Mapping[str, str] = {
    "BACKGROUND": "it says which runtime does the work behind the requests",
    "DATABASE_POOL": "the template's figure is the one to try out",
    "ENVIRONMENT": "it is `local`",
    "VERSION": "nothing is released here",
}
"""What holds here as the template gives it."""

AGENT = StandIn(
    "no agent is beside a task here; the load balancer is told to take the traces, at a port that is free",
    lambda here, _: here.trace_address,
    "AWS_XRAY_DAEMON_ADDRESS",
)
ADDRESS = "the database of this machine has another address, and no TLS: DATABASE_URL says all of it"
STAND_INS: Mapping[str, StandIn] = {
    "ADMIN_KEYS": _secret("ADMIN_KEYS"),
    "ORIGIN_SECRET": _secret("ORIGIN_SECRET"),
    "SERVICE_KEYS": _secret("SERVICE_KEYS"),
    "SESSION_KEYS": _secret("SESSION_KEYS"),
    "AWS_XRAY_DAEMON_ADDRESS": AGENT,
    "DATABASE_HOST": StandIn(ADDRESS, lambda here, _: here.database_url, "DATABASE_URL"),
    "DATABASE_CA": _left_out(ADDRESS),
    "DATABASE_NAME": _left_out(ADDRESS),
    "DATABASE_PASSWORD": _left_out(ADDRESS),
    "DATABASE_PORT": _left_out(ADDRESS),
    "DATABASE_USER": _left_out(ADDRESS),
    "PORT": StandIn("--free-ports moves services", lambda here, _: str(here.port), "PORT"),
    "SEED_DEMO": StandIn("`up` has done it by then, and said how many", lambda _here, _given: "false", "SEED_DEMO"),
    "SERVED_BY": StandIn(
        "no Fargate here: answers of containers say `local`, those of functions what the template says",
        lambda _, given: "local" if given == "fargate" else given,
        "SERVED_BY",
    ),
    "TRACE_SAMPLING": _left_out("whoever looks for a request wants to find it: without rules all are kept"),
    "UPSTREAM_URL": StandIn("AWS names the load balancer", lambda here, _: here.upstream_url, "UPSTREAM_URL"),
}
"""What cannot be here, and what stands for it."""

ADDED: Mapping[str, StandIn] = {
    "AWS_XRAY_DAEMON_ADDRESS": AGENT,  # functions have it from Lambda itself
    "CONTROL_URL": StandIn("the load balancer of AWS does not tell its weights", lambda here, _: here.control_url),
    "METRICS_SECONDS": StandIn("a minute of CloudWatch lasts two seconds here", lambda _here, _: "2"),
    "SESSIONS_PER_MINUTE": StandIn("everybody comes from one address here", lambda _here, _: "100000"),
}
"""What only this machine needs, with the reason."""


def settled(who: str, settings: Settings, here: Here) -> dict[str, str]:
    """The environment as it is here. Raises Problem for a key that the table does not know."""
    result = {key: added.value(here, "") for key, added in ADDED.items()}
    for key, given in settings.values.items():
        if key in STAND_INS:
            stand_in = STAND_INS[key]
            if stand_in.key:
                result[stand_in.key] = stand_in.value(here, given)
        elif key not in AS_GIVEN:
            raise Problem(f"The template gives {who} a {key}; scripts/twin/stand_ins.py does not say what it is here.")
        elif key in settings.remote:
            raise Problem(
                f"The template gives {who} a {key} that only AWS has; scripts/twin/stand_ins.py has to know it."
            )
        else:
            result[key] = given
    return result
