"""Where alarms go: one encrypted topic, and the people who read it. The operations app subscribes by itself.

A second topic has those people alone: it takes what is wrong with the way to Slack, which must not travel that way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from awacs import sns as actions
from awacs.aws import Bool, Condition, Principal
from troposphere import Parameter, Ref, Template
from troposphere.sns import SubscriptionResource, Topic, TopicPolicy

from cfn.boxes.encryption import Encryption
from cfn.environments import Environment
from cfn.permissions import allow, deny, document, own_account
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Alerts:
    """ARNs of topics: `topic` for everybody, `mail` for people only."""

    topic: Value
    mail: Value


def alerts(template: Template, environment: Environment, encryption: Encryption) -> Alerts:
    addresses = [_address(template, number, email) for number, email in enumerate(environment.site.emails, 1)]
    return Alerts(
        topic=_topic(template, "Alarm", "Tandem alarms", ["cloudwatch", "events.rds"], addresses, encryption),
        mail=_topic(template, "Mail", "Tandem alarms about the way to Slack", ["cloudwatch"], addresses, encryption),
    )


def _address(template: Template, number: int, email: str) -> Value:
    parameter = Parameter(
        f"AlarmEmail{number}",
        Type="String",
        Default=email,
        AllowedPattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
        Description="Gets every alarm by e-mail, once both subscriptions have been confirmed",
    )
    return Ref(template.add_parameter(parameter))


def _topic(
    template: Template,
    title: str,
    shown: str,
    services: Sequence[str],
    addresses: Sequence[Value],
    encryption: Encryption,
) -> Value:
    topic = Ref(template.add_resource(Topic(f"{title}Topic", DisplayName=shown, KmsMasterKeyId=encryption.key)))
    publishers = Principal("Service", [f"{service}.amazonaws.com" for service in services])
    template.add_resource(
        TopicPolicy(
            f"{title}TopicPolicy",
            Topics=[topic],
            PolicyDocument=document(
                allow("Publish", [actions.Publish], [topic], principal=publishers, condition=own_account()),
                deny(
                    "OnlyOverTls",
                    [actions.Publish],
                    [topic],
                    principal=Principal("*"),
                    condition=Condition(Bool({"aws:SecureTransport": False})),
                ),
            ),
        )
    )
    for number, address in enumerate(addresses, 1):
        template.add_resource(
            SubscriptionResource(f"{title}Subscription{number}", TopicArn=topic, Protocol="email", Endpoint=address)
        )
    return topic
