"""CloudFront, the shop's only public face, and the names that lead to it."""

from dataclasses import dataclass

from troposphere import GetAtt, Output, Ref, Sub, Template
from troposphere import cloudfront as cf
from troposphere.route53 import AliasTarget, RecordSetType
from troposphere.s3 import Bucket, LifecycleRule, ServerSideEncryptionByDefault

from cfn import names
from cfn.boxes.firewall import Firewall
from cfn.boxes.keys import Keys
from cfn.boxes.load_balancer import Balancer, certificate, domain_parameters
from cfn.boxes.registry import only_over_tls, private_bucket
from cfn.boxes.routing import origin_secret
from cfn.boxes.security import HTTP, HTTPS
from cfn.environments import Environment
from cfn.wiring import Value

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html and its siblings
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"  # of every distribution
ORIGIN = "load-balancer"
PATIENCE = 60  # seconds, as long as the load balancer's
VIEWER_ADDRESS = "CloudFront-Viewer-Address"  # what limits per visitor count by; CloudFront adds it only when told to
READING = ["GET", "HEAD"]
EVERYTHING = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]


@dataclass(frozen=True, slots=True)
class Cdn:
    distribution: Value


def cdn(template: Template, environment: Environment, balancer: Balancer, keys: Keys, firewall: Firewall) -> Cdn:
    named = environment.site.domain is not None
    passed_on = Ref(_passed_on(template, environment))
    if named:
        domain_parameters(template, environment)
    distribution = template.add_resource(
        cf.Distribution(
            "Distribution",
            DistributionConfig=cf.DistributionConfig(
                Enabled=True,
                Comment=names.name(environment),
                HttpVersion="http2and3",
                IPV6Enabled=True,
                PriceClass="PriceClass_100",
                WebACLId=firewall.arn,
                Logging=cf.Logging(Bucket=GetAtt(_log_bucket(template), "RegionalDomainName"), Prefix="cdn/"),
                Origins=[_origin(template, environment, balancer, keys)],
                DefaultCacheBehavior=cf.DefaultCacheBehavior(**_behaviour(CACHING_DISABLED, passed_on, EVERYTHING)),
                CacheBehaviors=[
                    cf.CacheBehavior(PathPattern="/static/*", **_behaviour(CACHING_OPTIMIZED, passed_on, READING)),
                ],
                **(_own_name() if named else {}),
            ),
        )
    )
    address = GetAtt(distribution, "DomainName")
    if named:
        _records(template, distribution)
        address = Ref("DomainName")
    template.add_output(Output("ShopUrl", Description="Where customers go", Value=Sub("https://${Host}", Host=address)))
    return Cdn(distribution=Ref(distribution))


def _passed_on(template: Template, environment: Environment) -> cf.OriginRequestPolicy:
    """All that the viewer sent (the host too, so that the origin's certificate is checked against it), and who that is.

    The managed policies add either no header or two dozen, and the services take 64 in all.
    """
    return template.add_resource(
        cf.OriginRequestPolicy(
            "PassedOn",
            OriginRequestPolicyConfig=cf.OriginRequestPolicyConfig(
                Name=names.name(environment, "all-and-address"),
                HeadersConfig=cf.OriginRequestHeadersConfig(
                    HeaderBehavior="allViewerAndWhitelistCloudFront", Headers=[VIEWER_ADDRESS]
                ),
                CookiesConfig=cf.OriginRequestCookiesConfig(CookieBehavior="all"),
                QueryStringsConfig=cf.OriginRequestQueryStringsConfig(QueryStringBehavior="all"),
            ),
        )
    )


def _behaviour(cache: str, passed_on: Value, methods: list[str]) -> dict[str, Value]:
    """Answers about carts and orders are never cached; files under /static carry their hash in the name."""
    return {
        "TargetOriginId": ORIGIN,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": methods,
        "CachePolicyId": cache,
        "OriginRequestPolicyId": passed_on,
        "ResponseHeadersPolicyId": SECURITY_HEADERS,
        "Compress": True,
    }


def _own_name() -> dict[str, Value]:
    return {
        "Aliases": [Ref("DomainName")],
        "ViewerCertificate": cf.ViewerCertificate(
            AcmCertificateArn=certificate(), MinimumProtocolVersion="TLSv1.2_2021", SslSupportMethod="sni-only"
        ),
    }


def _origin(template: Template, environment: Environment, balancer: Balancer, keys: Keys) -> cf.Origin:
    """By the public address, or through a private door into the VPC: `edge` decides."""
    protocol = "https-only" if environment.site.domain else "http-only"  # the second only inside the VPC
    access: dict[str, Value] = {
        "CustomOriginConfig": cf.CustomOriginConfig(
            HTTPSPort=HTTPS,
            OriginProtocolPolicy=protocol,
            OriginSSLProtocols=["TLSv1.2"],
            OriginReadTimeout=PATIENCE,
            OriginKeepaliveTimeout=PATIENCE,
        )
    }
    if environment.edge == "vpc-origin":
        private = template.add_resource(
            cf.VpcOrigin(
                "VpcOrigin",
                VpcOriginEndpointConfig=cf.VpcOriginEndpointConfig(
                    Arn=balancer.arn,
                    Name=names.name(environment),
                    HTTPPort=HTTP,
                    HTTPSPort=HTTPS,
                    OriginProtocolPolicy=protocol,
                    OriginSSLProtocols=["TLSv1.2"],
                ),
            )
        )
        config = cf.VpcOriginConfig(
            VpcOriginId=Ref(private), OriginReadTimeout=PATIENCE, OriginKeepaliveTimeout=PATIENCE
        )
        access = {"VpcOriginConfig": config}
    header = cf.OriginCustomHeader(HeaderName=names.ORIGIN_HEADER, HeaderValue=origin_secret(keys))
    return cf.Origin(Id=ORIGIN, DomainName=balancer.dns_name, OriginCustomHeaders=[header], **access)


def _records(template: Template, distribution: cf.Distribution) -> None:
    for kind in ("A", "AAAA"):
        template.add_resource(
            RecordSetType(
                f"ShopRecord{kind}",
                HostedZoneId=Ref("HostedZone"),
                Name=Ref("DomainName"),
                Type=kind,
                AliasTarget=AliasTarget(HostedZoneId=CLOUDFRONT_ZONE, DNSName=GetAtt(distribution, "DomainName")),
            )
        )


def _log_bucket(template: Template) -> Bucket:
    """CloudFront writes as another account and hands its objects over by their ACL, hence the ownership."""
    old = LifecycleRule(Id="old-logs", Status="Enabled", ExpirationInDays=90)
    encryption = ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
    bucket = template.add_resource(private_bucket("CdnLogs", encryption, [old], owner="BucketOwnerPreferred"))
    only_over_tls(template, bucket)
    return bucket
