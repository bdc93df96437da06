"""Actions as templates and the API write them: the same members in both."""

from collections.abc import Mapping, Sequence
from typing import Any

from cfn.doctor.values import number
from scripts.twin.deployment.limits import Refused
from scripts.twin.deployment.values import Action, FixedResponse, Share


def action(given: Sequence[Mapping[str, Any]]) -> Action:
    """The one action of a rule; every value in it is a plain string or number. Raises Refused."""
    if len(given) != 1:
        raise Refused(f"A rule here has one action, not {len(given)}.", "TooManyActions")
    (raw,) = given
    kind = raw.get("Type")
    if kind == "forward":
        return Action(shares=_shares(raw))
    if kind == "fixed-response":
        fixed = raw.get("FixedResponseConfig", {})
        return Action(
            fixed=FixedResponse(
                status=whole(fixed.get("StatusCode"), "StatusCode"),
                content_type=fixed.get("ContentType") or "text/plain",
                body=fixed.get("MessageBody") or "",
            )
        )
    raise Refused(f"The twin cannot act out {kind!r}, only forward and fixed-response.", "InvalidLoadBalancerAction")


def _shares(raw: Mapping[str, Any]) -> tuple[Share, ...]:
    config = raw.get("ForwardConfig")
    if config is None:
        return (Share(group=raw.get("TargetGroupArn", "")),)
    if str(config.get("TargetGroupStickinessConfig", {}).get("Enabled", "false")).lower() == "true":
        raise Refused("Group stickiness would keep customers where they are when weights change; the twin has none.")
    return tuple(
        Share(group=share.get("TargetGroupArn", ""), weight=whole(share.get("Weight", 1), "Weight"))
        for share in config.get("TargetGroups", ())
    )


def whole(value: Any, what: str) -> int:
    found = number(value)
    if found is None or found != int(found):
        raise Refused(f"{what} is {value!r}, which is no whole number.")
    return int(found)
