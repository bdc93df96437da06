"""The application load balancer: the shared entry, which refuses whatever does not come from our own CloudFront."""

from dataclasses import dataclass

from awacs import s3 as actions
from awacs.aws import ArnLike, Condition, Principal, Statement, StringEquals
from troposphere import AccountId, GetAtt, Parameter, Ref, Sub, Template
from troposphere import elasticloadbalancingv2 as elb
from troposphere.route53 import AliasTarget, RecordSetType
from troposphere.s3 import Bucket, LifecycleRule, ServerSideEncryptionByDefault

from cfn import names
from cfn.boxes.network import Network
from cfn.boxes.registry import only_over_tls, private_bucket
from cfn.boxes.security import HTTP, HTTPS, Security
from cfn.environments import Environment
from cfn.permissions import allow
from cfn.values import CERTIFICATE, ZONE
from cfn.wiring import Value

IDLE_TIMEOUT = 60  # seconds; the tasks keep connections alive for longer, functions answer in less
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
LOG_PREFIX = "alb"


@dataclass(frozen=True, slots=True)
class Balancer:
    arn: Value
    full_name: Value
    dns_name: Value
    listener: Value  # the one that serves
    url: Value  # how services call each other


def load_balancer(template: Template, environment: Environment, network: Network, security: Security) -> Balancer:
    bucket, policy = _log_bucket(template, environment)
    public = environment.edge == "public-alb"
    balancer = template.add_resource(
        elb.LoadBalancer(
            "LoadBalancer",
            Name=names.name(environment),
            Type="application",
            Scheme="internet-facing" if public else "internal",
            IpAddressType="ipv4",
            Subnets=list(network.public_subnets if public else network.private_subnets),
            SecurityGroups=[security.load_balancer],
            LoadBalancerAttributes=_attributes(environment, bucket),
            DependsOn=[policy],
        )
    )
    if environment.site.domain:
        domain_parameters(template, environment)
        listener, url = _tls(template, balancer)
    else:
        listener = _listener(template, balancer, HTTP, "HTTP", _deny())
        url = Sub("http://${Name}", Name=GetAtt(balancer, "DNSName"))
    return Balancer(
        arn=Ref(balancer),
        full_name=GetAtt(balancer, "LoadBalancerFullName"),
        dns_name=GetAtt(balancer, "DNSName"),
        listener=Ref(listener),
        url=url,
    )


def _attributes(environment: Environment, bucket: Bucket) -> list[elb.LoadBalancerAttributes]:
    attributes = {
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": Ref(bucket),
        "access_logs.s3.prefix": LOG_PREFIX,
        "deletion_protection.enabled": str(environment.protected).lower(),
        "idle_timeout.timeout_seconds": str(IDLE_TIMEOUT),
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
    }
    return [elb.LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()]


def _deny() -> elb.Action:
    return elb.Action(
        Type="fixed-response",
        FixedResponseConfig=elb.FixedResponseConfig(
            StatusCode="403", ContentType="text/plain", MessageBody="Come through the front door."
        ),
    )


def _listener(
    template: Template, balancer: elb.LoadBalancer, port: int, protocol: str, action: elb.Action, **more: Value
) -> elb.Listener:
    return template.add_resource(
        elb.Listener(
            f"{protocol.capitalize()}Listener",
            LoadBalancerArn=Ref(balancer),
            Port=port,
            Protocol=protocol,
            DefaultActions=[action],
            **more,
        )
    )


def _tls(template: Template, balancer: elb.LoadBalancer) -> tuple[elb.Listener, Value]:
    redirect = elb.RedirectConfig(Protocol="HTTPS", Port=str(HTTPS), StatusCode="HTTP_301")
    _listener(template, balancer, HTTP, "HTTP", elb.Action(Type="redirect", RedirectConfig=redirect))
    hsts = "routing.http.response.strict_transport_security.header_value"
    listener = _listener(
        template,
        balancer,
        HTTPS,
        "HTTPS",
        _deny(),
        SslPolicy=TLS_POLICY,
        Certificates=[elb.Certificate(CertificateArn=certificate())],
        ListenerAttributes=[elb.ListenerAttribute(Key=hsts, Value="max-age=31536000; includeSubDomains")],
    )
    template.add_resource(
        RecordSetType(
            "OriginRecord",
            HostedZoneId=Ref("HostedZone"),
            Name=Sub("origin.${DomainName}"),
            Type="A",
            AliasTarget=AliasTarget(
                HostedZoneId=GetAtt(balancer, "CanonicalHostedZoneID"), DNSName=GetAtt(balancer, "DNSName")
            ),
        )
    )
    return listener, Sub("https://origin.${DomainName}")


def domain_parameters(template: Template, environment: Environment) -> None:
    """What an installation owns outside these stacks: a name, the zone it is in, and a certificate for it."""
    site = environment.site
    parameters = {
        "DomainName": (
            site.domain,
            r"([a-z0-9-]+\.)+[a-z]{2,63}",
            "Name of the shop; its certificate covers what is below it too",
        ),
        "HostedZone": (site.zone, ZONE.pattern, "Id of the Route 53 hosted zone of the domain"),
        "CertificateId": (site.certificate, CERTIFICATE.pattern, "Id of the ACM certificate in us-east-1"),
    }
    for title, (value, pattern, description) in parameters.items():
        template.add_parameter(
            Parameter(title, Type="String", Default=value, AllowedPattern=pattern, Description=description)
        )


def certificate() -> Value:
    """One for both ends: CloudFront takes certificates from us-east-1 only, and the load balancer is there too."""
    return Sub("arn:${AWS::Partition}:acm:us-east-1:${AWS::AccountId}:certificate/${CertificateId}")


def _log_bucket(template: Template, environment: Environment) -> tuple[Bucket, str]:
    """With the keys of S3: log delivery takes no others. Returns the bucket and its policy's title."""
    old = LifecycleRule(Id="old-logs", Status="Enabled", ExpirationInDays=90)
    encryption = ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
    bucket = template.add_resource(private_bucket("AccessLogs", encryption, [old], owner="BucketOwnerEnforced"))
    return bucket, only_over_tls(template, bucket, _delivery(environment, bucket)).title


def _delivery(environment: Environment, bucket: Bucket) -> Statement:
    place = Sub("${Bucket}/" + LOG_PREFIX + "/AWSLogs/${AWS::AccountId}/*", Bucket=GetAtt(bucket, "Arn"))
    source = Sub(
        "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:loadbalancer/app/"
        + names.name(environment)
        + "/*"
    )
    return allow(
        "LogDelivery",
        [actions.PutObject],
        [place],
        principal=Principal("Service", "logdelivery.elasticloadbalancing.amazonaws.com"),
        condition=Condition([StringEquals({"aws:SourceAccount": AccountId}), ArnLike({"aws:SourceArn": source})]),
    )
