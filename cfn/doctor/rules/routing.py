"""The load balancer's listeners and rules, judged by asking them what they would do with a request."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.services import LISTENER, LISTENER_RULE, TARGET_GROUP, actions, forwarded, forwards, has_name, services
from cfn.doctor.values import dig, items, number, only

rule = Rules()
TLS_POLICIES = re.compile(
    r"ELBSecurityPolicy-TLS13-1-[23]-(PQ-|Res-|Ext0-)?(PQ-)?20\d\d-\d\d|ELBSecurityPolicy-TLS13-1-[23]-20\d\d-\d\d"
)


def listener_of(world: World, listener_rule: Resource) -> Resource | None:
    return world.at(listener_rule.get("ListenerArn"), LISTENER)


def rules_of(world: World, listener: Resource) -> list[Resource]:
    """In the order in which the load balancer asks them."""
    found = [r for r in world.of(LISTENER_RULE) if listener_of(world, r) is listener]
    return sorted(found, key=lambda r: number(r.get("Priority")) or 0)


def conditions(listener_rule: Resource, field: str) -> list[dict[str, Any]]:
    return [c for c in items(listener_rule.get("Conditions")) if c.get("Field") == field]


def path_patterns(listener_rule: Resource) -> list[str]:
    found = conditions(listener_rule, "path-pattern")
    values = [items(dig(c, "PathPatternConfig", "Values")) or items(c.get("Values")) for c in found]
    return [str(value) for group in values for value in group]


@cache
def glob(pattern: str, path: str) -> bool:
    """The load balancer's wildcards: * any run, ? one character; case counts."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), path) is not None


def admits(listener_rule: Resource, path: str) -> bool:
    patterns = path_patterns(listener_rule)
    return not patterns or any(glob(pattern, path) for pattern in patterns)


def origin_headers(listener_rule: Resource) -> dict[str, list[Any]]:
    found = conditions(listener_rule, "http-header")
    return {
        str(dig(c, "HttpHeaderConfig", "HttpHeaderName")).lower(): items(dig(c, "HttpHeaderConfig", "Values"))
        for c in found
    }


def serving(world: World) -> list[Resource]:
    """The listeners that forward to services; what only redirects or denies is not among them."""
    return [
        listener
        for listener in world.of(LISTENER)
        if any(forwards(r) for r in rules_of(world, listener)) or forwards(listener)
    ]


@rule("TND-EDG-01", "The listener denies what no rule admits", Severity.CRITICAL)
def denies(world: World) -> Iterator[Fault]:
    """The default action answers everybody who found the load balancer without passing CloudFront."""
    if not serving(world):
        yield Fault(world.stacks[-1].name, "Resources", "no listener forwards to a service", "declare listener rules")
    for listener in serving(world):
        for action in items(listener.get("DefaultActions")) or [{}]:
            status = str(dig(action, "FixedResponseConfig", "StatusCode"))
            answer = action.get("FixedResponseConfig") or {}
            if not answer.get("ContentType") or not answer.get("MessageBody"):
                yield Fault(listener, "DefaultActions", "it denies without a word", "give ContentType and MessageBody")
            if action.get("Type") != "fixed-response" or status not in {"403", "404"}:
                wrong = f"by default it answers with {action.get('Type')} {status}"
                yield Fault(listener, "DefaultActions", wrong, "answer with a fixed 403")


@rule("TND-EDG-02", "Each rule needs a path and the secret that only CloudFront knows", Severity.CRITICAL)
def origin_secret(world: World) -> Iterator[Fault]:
    """The prefix list admits every CloudFront customer's distribution; the header tells ours from theirs. Its value
    comes from Secrets Manager at both ends, so that no template and no stack event shows it."""
    sent = dict(_sent_headers(world))
    for listener in serving(world):
        for listener_rule in rules_of(world, listener):
            if not forwards(listener_rule):
                continue
            if not path_patterns(listener_rule):
                yield Fault(listener_rule, "Conditions", "it names no path", "add a path-pattern condition")
            if world.of("AWS::CloudFront::Distribution"):
                yield from _header_faults(world, listener_rule, sent)
    for distribution, header, value in _all_sent(world):
        if _secret(world, value) is None:
            wrong = f"the value of {header} is no reference to Secrets Manager"
            yield Fault(distribution, "DistributionConfig.Origins", wrong, "use {{resolve:secretsmanager:…}}")


def _header_faults(world: World, listener_rule: Resource, sent: dict[str, Any]) -> Iterator[Fault]:
    required = origin_headers(listener_rule)
    if not required:
        yield Fault(
            listener_rule, "Conditions", "it does not ask for the origin header", "add an http-header condition"
        )
    for header, values in required.items():
        secrets = [_secret(world, value) for value in values]
        if header not in sent:
            yield Fault(listener_rule, "Conditions", f"no distribution sends {header}", "use the header the CDN sends")
        elif not secrets or None in secrets or _secret(world, sent[header]) not in secrets:
            wrong = f"it does not compare {header} with the secret that CloudFront sends"
            yield Fault(listener_rule, "Conditions", wrong, "resolve the same secret at both ends")


def _sent_headers(world: World) -> Iterator[tuple[str, Any]]:
    for _, header, value in _all_sent(world):
        yield header, value


def _all_sent(world: World) -> Iterator[tuple[Resource, str, Any]]:
    for distribution in world.of("AWS::CloudFront::Distribution"):
        for origin in items(distribution.get("DistributionConfig", "Origins")):
            for header in items(origin.get("OriginCustomHeaders")):
                yield distribution, str(header.get("HeaderName")).lower(), header.get("HeaderValue")


def _secret(world: World, value: Any) -> str | None:
    """The dynamic reference as text, if it is one to a declared secret."""
    found = world.at(value, "AWS::SecretsManager::Secret")
    return str(value) if found and str(value).startswith("{{resolve:secretsmanager:") else None


@rule("TND-EDG-03", "Plain HTTP only redirects", Severity.CRITICAL)
def redirects(world: World) -> Iterator[Fault]:
    """Port 80 exists to say 301. A session that once travelled in the clear is everybody's."""
    if not has_name(world):
        return
    for listener in world.of(LISTENER):
        if listener.get("Protocol") == "HTTPS":
            continue
        for action in items(listener.get("DefaultActions")) or [{}]:
            redirect = action.get("RedirectConfig") or {}
            to = (redirect.get("Protocol"), str(redirect.get("Port")), redirect.get("StatusCode"))
            if action.get("Type") != "redirect" or to != ("HTTPS", "443", "HTTP_301"):
                yield Fault(listener, "DefaultActions", "it does not redirect to HTTPS with 301", "redirect to 443")
        for listener_rule in rules_of(world, listener):
            if forwards(listener_rule):
                yield Fault(listener_rule, "ListenerArn", "it forwards plain HTTP", "move it to the HTTPS listener")


@rule("TND-EDG-04", "TLS is current")
def tls(world: World) -> Iterator[Fault]:
    """Policies of 2016 to 2019 accept TLS 1.0; without a certificate the listener does not come up."""
    for listener in world.of(LISTENER):
        port, secure = number(listener.get("Port")), listener.get("Protocol") == "HTTPS"
        if port not in {80, 443} or secure != (port == 443):
            yield Fault(listener, "Port", f"{listener.get('Protocol')} on {port}", "use HTTPS on 443 and HTTP on 80")
        if secure and not TLS_POLICIES.fullmatch(str(listener.get("SslPolicy"))):
            wrong = f"the TLS policy is {listener.get('SslPolicy')}"
            yield Fault(listener, "SslPolicy", wrong, "use a policy ELBSecurityPolicy-TLS13-1-2-…")
        if secure and not dig(items(listener.get("Certificates")), 0, "CertificateArn"):
            yield Fault(listener, "Certificates", "it has no certificate", "name one")
    if has_name(world) and not any(r.get("Protocol") == "HTTPS" for r in serving(world)):
        yield Fault(world.stacks[-1].name, "Resources", "services are not served over HTTPS", "add an HTTPS listener")


@rule("TND-EDG-05", "Browsers are told to come back by HTTPS", Severity.WARNING)
def hsts(world: World) -> Iterator[Fault]:
    """Strict-Transport-Security from the listener holds for every service, however it answers."""
    for listener in serving(world):
        attributes = {str(a.get("Key")): a.get("Value") for a in items(listener.get("ListenerAttributes"))}
        value = str(attributes.get("routing.http.response.strict_transport_security.header_value"))
        age = re.search(r"max-age=(\d+)", value)
        if listener.get("Protocol") == "HTTPS" and (not age or int(age[1]) < 15768000):
            wrong = f"Strict-Transport-Security is {value}"
            yield Fault(listener, "ListenerAttributes", wrong, "set max-age to half a year or more")


@rule("TND-EDG-06", "Rule priorities are unique")
def priorities(world: World) -> Iterator[Fault]:
    """The second rule with the same number is refused, in the middle of the deployment."""
    for listener in world.of(LISTENER):
        seen: dict[float, Resource] = {}
        for listener_rule in rules_of(world, listener):
            value = number(listener_rule.get("Priority"))
            if value is None or not 1 <= value <= 50000:
                yield Fault(listener_rule, "Priority", f"the priority is {value}", "use a number from 1 to 50000")
            elif value in seen:
                wrong = f"{int(value)} is taken by {seen[value]}"
                yield Fault(listener_rule, "Priority", wrong, "give each rule a number of its own")
            else:
                seen[value] = listener_rule
    for listener_rule in world.of(LISTENER_RULE):
        if not listener_of(world, listener_rule):
            yield Fault(listener_rule, "ListenerArn", "it belongs to no declared listener", "refer to a listener")


@rule("TND-EDG-07", "Every path reaches the service that is meant")
def routes(world: World) -> Iterator[Fault]:
    """The rules are asked, in order, who answers each path of the specification. `/products/*` alone misses
    `/products`; a catch-all with a low number swallows the rest."""
    ports = {mounted.group.key: mounted.port for mounted in services(world) if mounted.group}
    for listener in serving(world):
        ordered = rules_of(world, listener)
        for path, port in world.expectations.routes.items():
            found = next((r for r in ordered if admits(r, path)), listener)
            reached = {ports[group.key] for group in forwarded(world, found) if group.key in ports}
            if reached != {port}:
                wrong = f"{path} is answered by port {sorted(map(str, reached)) or 'nobody'}, not {port}"
                yield Fault(found, "Conditions", wrong, "correct the path patterns or the priorities")


@rule("TND-EDG-08", "Each rule forwards to Fargate and Lambda, by weights that parameters bound")
def weights(world: World) -> Iterator[Fault]:
    """Moving a service to its twin is one changed weight. Both groups must be there, and the defaults must send nothing
    to the fallback; a literal weight would undo a failover with the next deployment."""
    for listener_rule in world.of(LISTENER_RULE):
        entries = forwards(listener_rule)
        if not entries:
            continue
        groups = forwarded(world, listener_rule)
        if sorted(str(group.get("TargetType")) for group in groups) != ["ip", "lambda"]:
            wrong = f"it forwards to {[str(group.get('TargetType')) for group in groups]}"
            yield Fault(listener_rule, "Actions", wrong, "forward to one ip group and one lambda group")
        yield from _weight_faults(world, listener_rule, entries)


def _weight_faults(world: World, listener_rule: Resource, entries: list[dict[str, Any]]) -> Iterator[Fault]:
    known = [number(entry.get("Weight")) for entry in entries]
    if any(w is None or w != int(w) or not 0 <= w <= 999 for w in known) or not sum(w or 0 for w in known):
        wrong = f"the weights are {[entry.get('Weight') for entry in entries]}"
        yield Fault(listener_rule, "Actions", wrong, "use whole numbers from 0 to 999, not all 0")
    for entry, weight in zip(entries, known, strict=True):
        group = world.at(entry.get("TargetGroupArn"), TARGET_GROUP)
        if group and group.get("TargetType") == "lambda" and weight:
            wrong = f"the fallback gets {int(weight)} from the start"
            yield Fault(listener_rule, "Actions", wrong, "let the fallback's weight be 0 by default")
    for name in sorted(_weight_parameters(listener_rule.raw)):
        parameter = dig(world.stacks[world.order[listener_rule.stack]].body, "Parameters", name) or {}
        if (number(parameter.get("MinValue")), number(parameter.get("MaxValue"))) != (0, 999):
            yield Fault(listener_rule, "Actions", f"the parameter {name} is not bound to 0…999", "set its bounds")
    if len(_weight_parameters(listener_rule.raw)) != len(entries):
        yield Fault(listener_rule, "Actions", "a weight is not a parameter of its own", "take it from a parameter")


def _weight_parameters(raw: Any) -> set[str]:
    found: set[str] = set()
    if isinstance(raw, dict):
        if isinstance(raw.get("Weight"), dict) and "Ref" in raw["Weight"]:
            found.add(raw["Weight"]["Ref"])
        for value in raw.values():
            found |= _weight_parameters(value)
    elif isinstance(raw, list):
        for value in raw:
            found |= _weight_parameters(value)
    return found


@rule("TND-EDG-11", "No rule forwards where nothing answers")
def answered(world: World) -> Iterator[Fault]:
    """A target group that no service registers with, and no function, answers 503."""
    mounted = {found.group.key for found in services(world) if found.group}
    for listener_rule in world.of(LISTENER_RULE):
        for action in actions(listener_rule):
            if action.get("Type") not in {"forward", "fixed-response", "redirect"}:
                yield Fault(listener_rule, "Actions", f"it does {action.get('Type')}", "forward to a target group")
        for entry in forwards(listener_rule):
            group = world.at(entry.get("TargetGroupArn"), TARGET_GROUP)
            reference = only(entry.get("TargetGroupArn"))
            if not group or (reference and reference.attribute not in {"", "TargetGroupArn"}):
                yield Fault(listener_rule, "Actions", "it forwards to no declared target group", "refer to one")
            elif group.get("TargetType") != "lambda" and group.key not in mounted:
                yield Fault(group, "", "no service registers its tasks here", "mount a service on it")
