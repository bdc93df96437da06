"""CloudFront and DNS: what stands before the load balancer."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.services import has_name
from cfn.doctor.values import dig, items, only, truth

rule = Rules()
DISTRIBUTION = "AWS::CloudFront::Distribution"
CDN_ZONE = "Z2FDTNDATAQYW2"  # the hosted zone of every distribution, by AWS's documentation
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # the managed cache policy CachingDisabled
VIEWER_PROTOCOLS = {"redirect-to-https", "https-only"}
MODERN = {"TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"}


def config(distribution: Resource) -> dict[str, Any]:
    return distribution.get("DistributionConfig") or {}


def behaviours(distribution: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "DistributionConfig.DefaultCacheBehavior", config(distribution).get("DefaultCacheBehavior") or {}
    for index, behaviour in enumerate(items(config(distribution).get("CacheBehaviors"))):
        yield f"DistributionConfig.CacheBehaviors.{index}", behaviour


@rule("TND-CDN-01", "Viewers come by HTTPS", Severity.CRITICAL)
def viewers(world: World) -> Iterator[Fault]:
    """allow-all sends sessions and carts in the clear to everybody on the same network."""
    if world.expectations.cdn and not world.of(DISTRIBUTION):
        yield Fault(world.stacks[-1].name, "Resources", "there is no distribution", "declare one, or expect none")
    for distribution in world.of(DISTRIBUTION):
        if truth(config(distribution).get("Enabled")) is not True:
            yield Fault(distribution, "DistributionConfig.Enabled", "it is switched off", "enable it")
        for path, behaviour in behaviours(distribution):
            if behaviour.get("ViewerProtocolPolicy") not in VIEWER_PROTOCOLS:
                wrong = f"viewers may come by {behaviour.get('ViewerProtocolPolicy')}"
                yield Fault(distribution, f"{path}.ViewerProtocolPolicy", wrong, "redirect to https")


@rule("TND-CDN-02", "The viewers' certificate is one CloudFront can use")
def certificate(world: World) -> Iterator[Fault]:
    """CloudFront takes certificates from us-east-1 only, and TLS 1.2 upwards is what browsers speak."""
    for distribution in world.of(DISTRIBUTION):
        viewer = config(distribution).get("ViewerCertificate") or {}
        given = viewer.get("AcmCertificateArn")
        if not given:
            if items(config(distribution).get("Aliases")) or has_name(world):
                wrong = "it has names of its own and no certificate for them"
                yield Fault(distribution, "DistributionConfig.ViewerCertificate", wrong, "name a certificate")
            continue
        if not _in_virginia(world, given):
            wrong = f"the certificate {given} is not one of us-east-1"
            yield Fault(distribution, "DistributionConfig.ViewerCertificate", wrong, "make it in a stack of us-east-1")
        if viewer.get("MinimumProtocolVersion") not in MODERN or viewer.get("SslSupportMethod") != "sni-only":
            wrong = f"viewers may speak {viewer.get('MinimumProtocolVersion')} by {viewer.get('SslSupportMethod')}"
            yield Fault(distribution, "DistributionConfig.ViewerCertificate", wrong, "ask for TLSv1.2_2021 and SNI")


def _in_virginia(world: World, value: Any) -> bool:
    made = world.at(value, "AWS::CertificateManager::Certificate")
    if made:
        return world.stacks[world.order[made.stack]].region == "us-east-1"
    return ":acm:us-east-1:" in str(value)


@rule("TND-CDN-03", "The origin is our load balancer, by HTTPS", Severity.CRITICAL)
def origin(world: World) -> Iterator[Fault]:
    """What is encrypted up to CloudFront must not go on in the clear across the internet behind it."""
    for distribution in world.of(DISTRIBUTION):
        origins = items(config(distribution).get("Origins"))
        for index, found in enumerate(origins):
            path = f"DistributionConfig.Origins.{index}"
            custom, private = found.get("CustomOriginConfig"), found.get("VpcOriginConfig")
            if custom and has_name(world) and custom.get("OriginProtocolPolicy") != "https-only":
                wrong = f"it asks its origin by {custom.get('OriginProtocolPolicy')}"
                yield Fault(distribution, f"{path}.CustomOriginConfig", wrong, "set https-only")
            if custom and set(items(custom.get("OriginSSLProtocols"))) != {"TLSv1.2"}:
                yield Fault(distribution, f"{path}.CustomOriginConfig", "old TLS to the origin", "allow TLSv1.2 alone")
            if not custom and not private and not found.get("S3OriginConfig"):
                yield Fault(distribution, path, "it does not say how to ask the origin", "add a CustomOriginConfig")
            door = world.at(private, "AWS::CloudFront::VpcOrigin") if private else None
            by = door.get("VpcOriginEndpointConfig", "OriginProtocolPolicy") if door else None
            if private and by != ("https-only" if has_name(world) else "http-only"):
                yield Fault(
                    distribution, f"{path}.VpcOriginConfig", f"it goes through {door} by {by}", "use https-only"
                )
        ids = {found.get("Id") for found in origins}
        for path, behaviour in behaviours(distribution):
            if behaviour.get("TargetOriginId") not in ids:
                yield Fault(distribution, f"{path}.TargetOriginId", "it names no origin", "use an origin's Id")


@rule("TND-CDN-04", "Answers about carts and orders are not cached", Severity.CRITICAL)
def uncached(world: World) -> Iterator[Fault]:
    """A cached answer of the API is another customer's answer. Caching is for files that carry their hash."""
    for distribution in world.of(DISTRIBUTION):
        for path, behaviour in behaviours(distribution):
            pattern = str(behaviour.get("PathPattern") or "*")
            if not {"GET", "HEAD"} <= set(items(behaviour.get("AllowedMethods"))):
                yield Fault(distribution, f"{path}.AllowedMethods", "it cannot be read", "allow GET and HEAD")
            static = pattern.strip("/").startswith(("static", "assets", "images"))
            if not static and behaviour.get("CachePolicyId") != CACHING_DISABLED:
                wrong = f"{pattern} is cached"
                yield Fault(distribution, f"{path}.CachePolicyId", wrong, "use the managed policy CachingDisabled")
            policy = world.at(behaviour.get("OriginRequestPolicyId"), PASSED_ON)
            if not static and (len(items(behaviour.get("AllowedMethods"))) != 7 or not policy):
                wrong = f"{pattern} does not pass every method, header, cookie and query"
                yield Fault(distribution, f"{path}.OriginRequestPolicyId", wrong, "allow all methods; declare a policy")


PASSED_ON = "AWS::CloudFront::OriginRequestPolicy"


@rule("TND-CDN-07", "The origin gets all that the viewer sent, and the viewer's address")
def passed_on(world: World) -> Iterator[Fault]:
    """The managed policy AllViewer adds no such header: limits per visitor then count everybody together, or believe
    the address that somebody sent."""
    wanted = {
        "HeadersConfig": {
            "HeaderBehavior": "allViewerAndWhitelistCloudFront",
            "Headers": ["CloudFront-Viewer-Address"],
        },
        "CookiesConfig": {"CookieBehavior": "all"},
        "QueryStringsConfig": {"QueryStringBehavior": "all"},
    }
    for policy in world.of(PASSED_ON):
        made = policy.get("OriginRequestPolicyConfig") or {}
        for key, value in wanted.items():
            if made.get(key) != value:
                yield Fault(policy, f"OriginRequestPolicyConfig.{key}", f"it is {made.get(key)}", f"make it {value}")


@rule("TND-CDN-05", "The distribution is guarded and watched")
def guarded(world: World) -> Iterator[Fault]:
    """Without the firewall one machine can ask for the search page ten thousand times a second."""
    for distribution in world.of(DISTRIBUTION):
        if not world.at(config(distribution).get("WebACLId"), "AWS::WAFv2::WebACL"):
            yield Fault(distribution, "DistributionConfig.WebACLId", "no web ACL guards it", "attach one")
        if not world.at(dig(config(distribution), "Logging", "Bucket"), "AWS::S3::Bucket"):
            yield Fault(distribution, "DistributionConfig.Logging", "nothing records its requests", "log to a bucket")
        if config(distribution).get("HttpVersion") not in {"http2", "http2and3"}:
            yield Fault(distribution, "DistributionConfig.HttpVersion", "HTTP/1.1 only", "set http2and3")


@rule("TND-CDN-06", "The shop's name leads to the distribution, over IPv4 and IPv6")
def names(world: World) -> Iterator[Fault]:
    """An alias with the wrong zone id is refused; a missing AAAA record keeps mobile networks on the slow path."""
    for distribution in world.of(DISTRIBUTION):
        records = world.users(distribution, "AWS::Route53::RecordSet")
        aliases = items(config(distribution).get("Aliases"))
        kinds = {str(r.get("Type")) for r in records}
        wanted = {"A", "AAAA"} if truth(config(distribution).get("IPV6Enabled")) else {"A"}
        if aliases and kinds != wanted:
            yield Fault(
                distribution, "", f"DNS has {sorted(kinds)} records for it", f"make alias records {sorted(wanted)}"
            )
        if truth(config(distribution).get("IPV6Enabled")) is not True:
            yield Fault(distribution, "DistributionConfig.IPV6Enabled", "IPv6 is off", "set it to true")
        for record in records:
            if dig(record.properties, "AliasTarget", "HostedZoneId") != CDN_ZONE and not _own_zone(
                record, distribution
            ):
                yield Fault(record, "AliasTarget.HostedZoneId", "it is not CloudFront's zone", f"use {CDN_ZONE}")
            if record.get("Name") not in aliases:
                yield Fault(record, "Name", f"{record.get('Name')} is no alias of it", "use one of its aliases")


def _own_zone(record: Resource, distribution: Resource) -> bool:
    reference = only(dig(record.properties, "AliasTarget", "HostedZoneId"))
    return bool(reference and reference.resource == distribution.name)
