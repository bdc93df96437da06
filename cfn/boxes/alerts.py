"""Where alarms go: one encrypted topic, and the people who read it. The operations app subscribes by itself."""

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
    topic: Value  # its ARN


def alerts(template: Template, environment: Environment, encryption: Encryption) -> Alerts:
    topic = template.add_resource(Topic("AlarmTopic", DisplayName="Tandem alarms", KmsMasterKeyId=encryption.key))
    publishers = Principal("Service", ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"])
    template.add_resource(
        TopicPolicy(
            "AlarmTopicPolicy",
            Topics=[Ref(topic)],
            PolicyDocument=document(
                allow("Publish", [actions.Publish], [Ref(topic)], principal=publishers, condition=own_account()),
                deny(
                    "OnlyOverTls",
                    [actions.Publish],
                    [Ref(topic)],
                    principal=Principal("*"),
                    condition=Condition(Bool({"aws:SecureTransport": False})),
                ),
            ),
        )
    )
    for number, email in enumerate(environment.site.emails, 1):
        address = template.add_parameter(
            Parameter(
                f"AlarmEmail{number}",
                Type="String",
                Default=email,
                AllowedPattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
                Description="Gets every alarm by e-mail, once the subscription has been confirmed",
            )
        )
        template.add_resource(
            SubscriptionResource(
                f"AlarmSubscription{number}", TopicArn=Ref(topic), Protocol="email", Endpoint=Ref(address)
            )
        )
    return Alerts(topic=Ref(topic))
