"""The settings of the operations app: what belongs to which service, which alarms count, where Slack messages go."""

from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import Parameter, Ref, Template

from cfn import names
from cfn.boxes.cluster import Compute
from cfn.boxes.fallback import Fallback
from cfn.boxes.keys import Keys
from cfn.boxes.observability import Observed
from cfn.boxes.registry import repository_name
from cfn.boxes.service import Workload
from cfn.environments import Environment
from cfn.operations import HANDLERS
from cfn.texts import Bare, text_of
from cfn.wiring import Value

HEALTHY_MINUTES = 5  # that the containers must have been well before they get their requests back
HOLD_MINUTES = 10  # between two moves of one service
CHANNEL = r"[#A-Za-z0-9_-]{1,80}"
MENTION = r"<!(here|channel|everyone)>|<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>"


@dataclass(frozen=True, slots=True)
class Shop:
    """What the operations app looks after."""

    workloads: Sequence[Workload]
    fallback: Fallback
    observed: Observed
    compute: Compute
    keys: Keys


def settings(
    template: Template, environment: Environment, shop: Shop, version: Value, table: Value
) -> dict[str, dict[str, Value]]:
    """Of each handler. Lambda takes 4 KB of settings, so each gets what it reads."""
    _parameters(template)
    common = {
        "ENVIRONMENT": environment.name,
        "VERSION": version,
        "SLACK_SECRET": shop.keys.slack,
        "ROUTES": _routes(),
        "RUNBOOKS": f"https://github.com/{environment.site.repository}/blob/main/docs/operations.md",
    }
    moving = {
        "FAILOVER": _failover(shop),
        "HEALTHY_MINUTES": str(HEALTHY_MINUTES),
        "HOLD_MINUTES": str(HOLD_MINUTES),
    }
    cleaning = {"CLEANUP": _cleanup(environment)}
    remembering = {"TABLE": table}
    more: dict[str, dict[str, Value]] = {
        "notify": remembering,
        "failover": moving,
        "reconcile": {**moving, **remembering},
        "clean_images": cleaning,
        "clean_logs": {**cleaning, **remembering},
    }
    return {handler.name: {**common, **more[handler.name]} for handler in HANDLERS}


def _parameters(template: Template) -> None:
    """Of channels, when Slack is reached with a bot's token; a webhook has its channel built in."""
    for title, default, pattern, description in (
        ("AlarmChannel", "#alarms", CHANNEL, "Slack channel of alarms and of what automation did"),
        ("CriticalChannel", "#alarms", CHANNEL, "Slack channel of alarms that somebody has to look at now"),
        ("CriticalMention", "<!here>", MENTION, "Whom a critical alarm calls, in Slack's own markup"),
    ):
        template.add_parameter(
            Parameter(title, Type="String", Default=default, AllowedPattern=pattern, Description=description)
        )
    template.add_parameter(
        Parameter(
            "CleanUpsDelete",
            Type="String",
            Default="false",
            AllowedValues=["false", "true"],
            Description="Whether clean-ups of images and logs act; otherwise they report what they would do",
        )
    )


def _routes() -> Value:
    routes = {
        "default": {"channel": Ref("AlarmChannel")},
        "critical": {"channel": Ref("CriticalChannel"), "mention": Ref("CriticalMention")},
    }
    return text_of(routes)


def _failover(shop: Shop) -> Value:
    """By service: what there is to move, which alarms say that it must, and which that it would not help."""
    return text_of(
        {
            workload.service: {
                "rules": [workload.rule],
                "fargate": workload.group,
                "fallback": shop.fallback.groups[workload.service],
                "function": shop.fallback.functions[workload.service],
                "alarms": [workload.alone, workload.failing],
                "database_alarms": list(shop.observed.database),
            }
            for workload in shop.workloads
        }
    )


def _cleanup(environment: Environment) -> Value:
    return text_of(
        {
            "repositories": [repository_name(environment, service.name) for service in environment.services],
            "log_prefixes": log_prefixes(environment),
            "retention_days": environment.log_days,
            "delete": Bare(Ref("CleanUpsDelete")),
        }
    )


def log_prefixes(environment: Environment) -> list[str]:
    """Of log groups: those that the templates make, and those that Lambda makes where no template does."""
    own = names.name(environment, "")
    return [own, f"/aws/lambda/{own}"]
