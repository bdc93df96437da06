"""The operations app: small functions from one zip, what wakes each, and where an event goes that none could take.

Chalice says in the app's own code what wakes which handler. `cfn/operations.py` says it again, because templates are
rendered without Chalice; `tandem build ops` writes no zip when the two differ.
"""

from collections.abc import Mapping

from awacs import sqs as actions
from awacs.aws import ArnEquals, Bool, Condition, Principal, StringEquals
from troposphere import AccountId, GetAtt, Parameter, Ref, Sub, Template, awslambda, dynamodb, events, sqs
from troposphere.iam import Role
from troposphere.logs import LogGroup
from troposphere.sns import SubscriptionResource

from cfn import names
from cfn.boxes.ops_access import Own, access
from cfn.boxes.ops_alarms import watch
from cfn.boxes.ops_settings import Shop, settings
from cfn.environments import Environment
from cfn.foundation import Foundation
from cfn.operations import HANDLERS, Handler
from cfn.permissions import allow, deny, document, role
from cfn.wiring import Value

KEPT = 14 * 24 * 3600  # seconds that a queue holds what nobody took: the longest there is
ZIP = "ops.zip"


def ops(template: Template, environment: Environment, foundation: Foundation, shop: Shop) -> None:
    version = template.add_parameter(
        Parameter(
            "Version",
            Type="String",
            Default=environment.version,
            AllowedPattern="[A-Za-z0-9._-]{1,128}",
            Description="Prefix of the zip in the artifact bucket, and what the functions say they are",
        )
    )
    table = _table(template, foundation)
    unheard, failed = _queues(template, foundation)
    told = settings(template, environment, shop, Ref(version), Ref(table))
    functions: dict[Handler, Value] = {}
    for handler in HANDLERS:
        log = _log(template, environment, foundation, handler)
        own = Own(handler=handler, log=GetAtt(log, "Arn"), table=GetAtt(table, "Arn"), failed=GetAtt(failed, "Arn"))
        executor = role(
            template,
            f"{names.title(handler.name)}Role",
            "lambda.amazonaws.com",
            access(environment, foundation, shop, own),
            description=f"{handler.what} (operations app)",
            guarded=False,
        )
        function = _function(template, environment, foundation, own, executor, log, told[handler.name])
        functions[handler] = Ref(function)
        if handler.schedule is None:
            _listen(template, foundation, handler, function, GetAtt(unheard, "Arn"))
        else:
            _wake(template, environment, handler, function)
    watch(template, environment, foundation.alerts, functions, {"unheard": unheard, "failed": failed})


def _table(template: Template, foundation: Foundation) -> dynamodb.Table:
    """What has been posted already, and in which thread. Without it alarms are posted twice, so it needs no backup."""
    return template.add_resource(
        dynamodb.Table(
            "Table",
            AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName="id", AttributeType="S")],
            KeySchema=[dynamodb.KeySchema(AttributeName="id", KeyType="HASH")],
            BillingMode="PAY_PER_REQUEST",
            TimeToLiveSpecification=dynamodb.TimeToLiveSpecification(AttributeName="expiration", Enabled=True),
            SSESpecification=dynamodb.SSESpecification(
                SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=foundation.encryption.key
            ),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    )


def _queues(template: Template, foundation: Foundation) -> tuple[sqs.Queue, sqs.Queue]:
    """What SNS could not deliver, and what a function failed at three times. With SQS's own key: SNS and Lambda then
    need no right to ours, and the last resort depends on nothing else."""
    unheard, failed = (
        template.add_resource(sqs.Queue(title, MessageRetentionPeriod=KEPT, SqsManagedSseEnabled=True))
        for title in ("UnheardQueue", "FailedQueue")
    )
    topic = Condition(
        [ArnEquals({"aws:SourceArn": foundation.alerts.topic}), StringEquals({"aws:SourceAccount": AccountId})]
    )
    deliver = allow(
        "FromTheAlarmTopic",
        [actions.SendMessage],
        [GetAtt(unheard, "Arn")],
        principal=Principal("Service", "sns.amazonaws.com"),
        condition=topic,
    )
    for queue, statements in ((unheard, [deliver]), (failed, [])):
        plain = deny(
            "OnlyOverTls",
            [actions.SendMessage, actions.ReceiveMessage],
            [GetAtt(queue, "Arn")],
            principal=Principal("*"),
            condition=Condition(Bool({"aws:SecureTransport": False})),
        )
        policy = document(*statements, plain)
        template.add_resource(sqs.QueuePolicy(f"{queue.title}Policy", Queues=[Ref(queue)], PolicyDocument=policy))
    return unheard, failed


def _log(template: Template, environment: Environment, foundation: Foundation, handler: Handler) -> LogGroup:
    return template.add_resource(
        LogGroup(
            f"{names.title(handler.name)}Log",
            RetentionInDays=environment.log_days,
            KmsKeyId=foundation.encryption.key,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )


def _function(
    template: Template,
    environment: Environment,
    foundation: Foundation,
    own: Own,
    executor: Role,
    log: LogGroup,
    variables: Mapping[str, Value],
) -> awslambda.Function:
    handler, title = own.handler, names.title(own.handler.name)
    function = template.add_resource(
        awslambda.Function(
            f"{title}Function",
            FunctionName=function_name(environment, handler),
            Description=handler.what,
            Runtime=f"python{environment.functions.python}",
            Architectures=[environment.size.architecture],
            Handler=handler.entry,
            Code=awslambda.Code(S3Bucket=foundation.registry.artifacts, S3Key=Sub(f"${{Version}}/{ZIP}")),
            MemorySize=handler.memory,
            Timeout=handler.timeout,
            ReservedConcurrentExecutions=handler.concurrency,
            Role=GetAtt(executor, "Arn"),
            KmsKeyArn=foundation.encryption.key,
            Environment=awslambda.Environment(Variables=dict(variables)),
            LoggingConfig=awslambda.LoggingConfig(LogGroup=Ref(log)),
            DeadLetterConfig=awslambda.DeadLetterConfig(TargetArn=own.failed),
        )
    )
    template.add_resource(
        awslambda.EventInvokeConfig(
            f"{title}Retries",
            FunctionName=Ref(function),
            Qualifier="$LATEST",
            MaximumEventAgeInSeconds=handler.patience,
            MaximumRetryAttempts=handler.retries,
        )
    )
    return function


def function_name(environment: Environment, handler: Handler) -> str:
    return names.name(environment, "ops", handler.name.replace("_", "-"))


def _listen(
    template: Template, foundation: Foundation, handler: Handler, function: awslambda.Function, unheard: Value
) -> None:
    """Subscribed once the topic may call: what is published in between would be lost."""
    topic, title = foundation.alerts.topic, names.title(handler.name)
    permission = _permission(template, handler, function, "sns", topic)
    template.add_resource(
        SubscriptionResource(
            f"{title}Subscription",
            TopicArn=topic,
            Protocol="lambda",
            Endpoint=GetAtt(function, "Arn"),
            RedrivePolicy={"deadLetterTargetArn": unheard},
            DependsOn=[permission.title],
        )
    )


def _wake(template: Template, environment: Environment, handler: Handler, function: awslambda.Function) -> None:
    rule = template.add_resource(
        events.Rule(
            f"{names.title(handler.name)}Schedule",
            Name=function_name(environment, handler),
            Description=handler.what,
            ScheduleExpression=handler.schedule,
            State="ENABLED",
            Targets=[events.Target(Id="function", Arn=GetAtt(function, "Arn"))],
        )
    )
    _permission(template, handler, function, "events", GetAtt(rule, "Arn"))


def _permission(
    template: Template, handler: Handler, function: awslambda.Function, caller: str, source: Value
) -> awslambda.Permission:
    return template.add_resource(
        awslambda.Permission(
            f"{names.title(handler.name)}Permission",
            Action="lambda:InvokeFunction",
            FunctionName=GetAtt(function, "Arn"),
            Principal=f"{caller}.amazonaws.com",
            SourceArn=source,
        )
    )
