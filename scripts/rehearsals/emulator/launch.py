"""Starts ministack with what its CloudFormation and load balancer lack, so that templates are deployed as they are.

Runs in the emulator's own environment, where nothing of ours can be imported. The types that it does not know come as
JSON on the command line, with the attributes that other resources read of them: CloudFormation takes them, orders them
and deletes them, and nothing is behind them. A type on the list that the emulator knows after all ends the start.
"""

import json
import string
import sys
from typing import Any

from ministack.app import main
from ministack.core.responses import error_response_json, json_response
from ministack.services import alb, ecr
from ministack.services.cloudformation import provisioners

Values = dict[str, Any]


def inert(attributes: list[str]) -> Values:
    def made(stack: str, logical_id: str) -> tuple[str, Values]:
        name = f"{stack}-{logical_id}"
        return name, dict.fromkeys(attributes, name)

    return {
        "create": lambda logical_id, _, stack: made(stack, logical_id),
        "update": lambda _physical, _old, _new, stack, logical_id: made(stack, logical_id),
        "update_with_logical_id": True,
        "delete": lambda _physical, _properties: None,
    }


def add_types(lacking: dict[str, list[str]]) -> None:
    known = sorted(set(lacking) & set(provisioners._RESOURCE_HANDLERS))
    if known:
        sys.exit(f"The emulator knows {', '.join(known)} by now: take them off the list of what it lacks.")
    for name, attributes in lacking.items():
        provisioners._RESOURCE_HANDLERS[name] = inert(attributes)


def take_metric_math() -> None:
    """Of alarms over an expression the emulator makes none; CloudFormation takes them, with nothing behind."""
    known, empty = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"], inert(["Arn"])

    def create(logical_id: str, properties: Values, stack: str) -> Any:
        return (empty if "Metrics" in properties else known)["create"](logical_id, properties, stack)

    def update(physical: str, old: Values, new: Values, stack: str, logical_id: str) -> Any:
        return (empty if "Metrics" in new else known)["update"](physical, old, new, stack, logical_id)

    def delete(physical: str, properties: Values) -> None:
        (empty if "Metrics" in properties else known)["delete"](physical, properties)

    own = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"] = known | own


KINDS = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
    "ExcludeUppercase": string.ascii_uppercase,
}


def generate_as_asked() -> None:
    """Of what a generated secret may not hold, the emulator looks at single characters only."""
    generated = provisioners._sm_secret_string

    def asked(properties: Values) -> Any:
        wanted = properties.get("GenerateSecretString")
        if not wanted:
            return generated(properties)
        kinds = "".join(characters for kind, characters in KINDS.items() if str(wanted.get(kind)).lower() == "true")
        whole = {**wanted, "ExcludeCharacters": wanted.get("ExcludeCharacters", "") + kinds}
        return generated({**properties, "GenerateSecretString": whole})

    provisioners._sm_secret_string = asked


def keep_weights() -> None:
    """Of an action's target groups the emulator keeps the first, and drops all weights."""
    group_to_xml = alb._tg_xml
    from_template, from_request, to_xml = provisioners._elbv2_listener_actions, alb._parse_actions, alb._action_xml

    def templated(properties: Values, balancer: str | None, prop: str = "DefaultActions") -> list[Values]:
        kept: list[Values] = from_template(properties, balancer, prop=prop)
        for action, given in zip(kept, properties.get(prop) or [], strict=True):
            shares = (given.get("ForwardConfig") or {}).get("TargetGroups") or []
            action["Shares"] = [{"arn": one["TargetGroupArn"], "weight": int(one["Weight"])} for one in shares]
        return kept

    def requested(params: Values, prefix: str = "DefaultActions") -> list[Values]:
        kept: list[Values] = from_request(params, prefix)
        for number, action in enumerate(kept, 1):
            action["Shares"] = list(shares_of(params, f"{prefix}.member.{number}.ForwardConfig.TargetGroups.member"))
        return kept

    def written(action: Values) -> str:
        text: str = to_xml(action)
        shares = "".join(
            f"<member><TargetGroupArn>{one['arn']}</TargetGroupArn><Weight>{one['weight']}</Weight></member>"
            for one in action.get("Shares") or ()
        )
        config = f"<ForwardConfig><TargetGroups>{shares}</TargetGroups></ForwardConfig>" if shares else ""
        return text.removesuffix("</member>") + config + "</member>"

    def grouped(group: Values) -> str:
        """A group belongs to the load balancers whose rules forward to it."""
        using = [rule for rule in alb._rules.values() if group["TargetGroupArn"] in named(rule)]
        balancers = {alb._listeners[rule["ListenerArn"]]["LoadBalancerArn"] for rule in using}
        text: str = group_to_xml({**group, "LoadBalancerArns": sorted(balancers)})
        return text

    provisioners._elbv2_listener_actions = templated
    alb._parse_actions, alb._action_xml = requested, written
    alb._tg_xml = grouped


def named(rule: Values) -> set[str]:
    return {share["arn"] for action in rule["Actions"] for share in action.get("Shares") or ()}


def shares_of(params: Values, prefix: str) -> Any:
    number = 1
    while arn := alb._p(params, f"{prefix}.{number}.TargetGroupArn"):
        yield {"arn": arn, "weight": int(alb._p(params, f"{prefix}.{number}.Weight", "1"))}
        number += 1


def scan_images() -> None:
    """Every image has been scanned, and what was found is what its manifest says: `annotations.findings`, as JSON."""
    other = ecr.handle_request

    async def asked(method: str, path: str, headers: Values, body: Any, query: Values) -> Any:
        if not headers.get("x-amz-target", "").endswith(".DescribeImageScanFindings"):
            return await other(method, path, headers, body, query)
        wanted = json.loads(body)
        image = ecr._find_image(wanted["repositoryName"], wanted["imageId"])
        if image is None:
            return error_response_json("ImageNotFoundException", f"There is no image {wanted['imageId']}", 400)
        counts = json.loads(image["imageManifest"]).get("annotations", {}).get("findings", "{}")
        found = {"findingSeverityCounts": json.loads(counts), "findings": []}
        return json_response({**wanted, "imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": found})

    ecr.handle_request = asked


if __name__ == "__main__":
    add_types(json.loads(sys.argv.pop()))
    take_metric_math()
    generate_as_asked()
    keep_weights()
    scan_images()
    main()
