"""What CloudFormation acts as: it may make what the templates hold, and hand out roles of this environment only.

A workflow can start it, but cannot do by itself what it does. An administrator deploys the first stack, which makes it.
"""

from dataclasses import dataclass

from awacs import iam, s3
from awacs.aws import Action, Condition, StringEquals
from troposphere import GetAtt, Output, Region, Sub, Template

from cfn import names
from cfn.environments import Environment
from cfn.permissions import EVERYTHING, allow, role
from cfn.wiring import Value

REGIONAL, GLOBAL = "${AWS::Region}", ""
TAGS = "TagResource UntagResource"
# What the templates are made of: service → where, below our own account, and what CloudFormation does to it there.
# A role's own policies may have 10,240 characters together, which is why verbs end in wildcards.
OWNED = {
    "application-autoscaling": (REGIONAL, "*", f"Delete* Deregister* Put* Register* {TAGS}"),
    "cloudfront": (GLOBAL, "*", f"Create* Delete* Get* List* Update* {TAGS}"),
    "cloudwatch": (REGIONAL, "*", f"Delete* Put* {TAGS}"),
    "dynamodb": (
        REGIONAL,
        "table/{name}-*",
        f"CreateTable DeleteTable Describe* ListTagsOfResource UpdateTable UpdateTimeToLive {TAGS}",
    ),
    "ec2": (
        REGIONAL,
        "*",
        "Allocate* Associate* Attach* Authorize* Create* Delete* Detach* Disassociate* Modify* Release* Replace* Rev*",
    ),
    "ecr": (REGIONAL, "repository/{name}/*", f"Create* Delete* Describe* Get* List* Put* Set* {TAGS}"),
    "ecs": (REGIONAL, "*", f"Create* Delete* Deregister* Put* Register* Update* {TAGS}"),
    "elasticache": (REGIONAL, "*", "AddTagsToResource Create* Delete* Modify* RemoveTagsFromResource"),
    "elasticloadbalancing": (REGIONAL, "*", "AddTags Create* Delete* Deregister* Modify* Register* RemoveTags Set*"),
    "events": (REGIONAL, "rule/{name}-*", f"Delete* Describe* List* Put* Remove* {TAGS}"),
    "kms": (REGIONAL, "*", f"Create* De* Di* En* Ge* List* Put* ReEncrypt* Schedule* Update* {TAGS}"),
    "lambda": (REGIONAL, "function:{name}-*", f"Add* Create* Delete* Get* Invoke* List* Put* Remove* Update* {TAGS}"),
    "logs": (REGIONAL, "log-group:*", f"Associate* Create* Delete* Disassociate* Put* {TAGS}"),
    "rds": (REGIONAL, "*", "Add* Create* Delete* Modify* Remove* Reset*"),
    "secretsmanager": (REGIONAL, "secret:*", f"Cancel* Create* Delete* Describe* Get* Put* Rotate* Update* {TAGS}"),
    "sns": (REGIONAL, "{name}-*", f"Create* Delete* Get* List* Set* Subscribe Unsubscribe {TAGS}"),
    "sqs": (REGIONAL, "{name}-*", "CreateQueue DeleteQueue Get* ListQueueTags SetQueueAttributes TagQueue UntagQueue"),
    "wafv2": (REGIONAL, "*", f"Associate* Create* Delete* Disassociate* Get* List* Update* {TAGS}"),
    "xray": (REGIONAL, "*", f"Create* Delete* Update* {TAGS}"),
}
# Looking at these knows no resource; they are bound to the region instead.
LOOKING = {
    "application-autoscaling": "Describe* List*",
    "cloudwatch": "Describe* Get* List*",
    "ec2": "Describe* Get*",
    "ecs": "Describe* List*",
    "elasticache": "Describe* List*",
    "elasticloadbalancing": "Describe*",
    "logs": "Describe* List*",
    "rds": "Describe* List*",
    "secretsmanager": "GetRandomPassword",
    "xray": "Get* List*",
}
PASSED_TO = [
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "monitoring.rds.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
]

# CloudFormation's own habits with roles, buckets and records.
_ROLES = [
    Action("iam", f"{verb}Role{what}")
    for verb, what in (
        ("Attach", "Policy"),
        ("Create", ""),
        ("Delete", ""),
        ("Delete", "Policy"),
        ("Detach", "Policy"),
        ("Get", ""),
        ("Get", "Policy"),
        ("Put", "Policy"),
        ("Tag", ""),
        ("Untag", ""),
        ("Update", ""),
        ("Update", "Description"),
    )
] + [Action("iam", "UpdateAssumeRolePolicy")]
_BUCKETS = [
    Action("s3", verb)
    for verb in (
        "CreateBucket",
        "DeleteBucket",
        "DeleteBucketPolicy",
        "GetBucket*",
        "GetEncryptionConfiguration",
        "GetLifecycleConfiguration",
        "ListBucket",
        "PutBucket*",
        "PutEncryptionConfiguration",
        "PutLifecycleConfiguration",
    )
]
_NESTED = [Action("cloudformation", f"{verb}Stack") for verb in ("Create", "Delete", "Update")] + [
    Action("cloudformation", "DescribeStacks")
]
_NAMES = [
    Action("route53", verb)
    for verb in ("ChangeResourceRecordSets", "GetChange", "GetHostedZone", "ListResourceRecordSets")
]


@dataclass(frozen=True, slots=True)
class Builder:
    role: Value  # its ARN


def builder(template: Template, environment: Environment) -> Builder:
    account = "arn:${AWS::Partition}:"
    statements = []
    for service, (region, place, verbs) in OWNED.items():
        arn = f"{account}{service}:{region}:${{AWS::AccountId}}:{place.format(name=names.name(environment))}"
        statements.append(
            allow(names.title("own", service), [Action(service, verb) for verb in verbs.split()], [Sub(arn)])
        )
    looking = [Action(service, verb) for service, verbs in LOOKING.items() for verb in verbs.split()]
    in_region = Condition(StringEquals({"aws:RequestedRegion": Region}))
    roles = Sub(f"{account}iam::${{AWS::AccountId}}:role/{names.name(environment)}-*")
    linked = Sub(f"{account}iam::${{AWS::AccountId}}:role/aws-service-role/*")
    nested = Sub(f"{account}cloudformation:${{AWS::Region}}:${{AWS::AccountId}}:stack/{names.name(environment)}-*")
    statements += [
        allow("Look", looking, [EVERYTHING], condition=in_region),
        allow("OwnRoles", _ROLES, [roles]),
        # The first service, load balancer or database of an account makes AWS's own role for it.
        allow("RolesOfAws", [iam.CreateServiceLinkedRole], [linked]),
        # The macro of the rotation puts its function into a stack within the stack.
        allow("NestedStacks", _NESTED, [nested]),
        allow("PassOwnRoles", [iam.PassRole], [roles], condition=_passed_to()),
        allow("OwnBuckets", _BUCKETS, [Sub(f"{account}s3:::{names.name(environment)}-*")]),
        allow("ReadZips", [s3.GetObject], [Sub(f"{account}s3:::{names.name(environment)}-*/*")]),
        allow("Names", _NAMES, [Sub(f"{account}route53:::hostedzone/*"), Sub(f"{account}route53:::change/*")]),
    ]
    made = role(
        template,
        "BuilderRole",
        "cloudformation.amazonaws.com",
        statements,
        description="CloudFormation, building this environment",
        guarded=False,
    )
    arn = GetAtt(made, "Arn")
    template.add_output(Output("BuilderRoleArn", Description="What CloudFormation acts as", Value=arn))
    return Builder(role=arn)


def _passed_to() -> Condition:
    return Condition(StringEquals({"iam:PassedToService": PASSED_TO}))
