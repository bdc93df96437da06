"""What GitHub may do: a pull request looks, a deployment from one repository's environment drives CloudFormation.

The provider exists once per account, so each environment is meant to have an account of its own.
"""

from collections.abc import Sequence

from awacs import cloudformation, ecr, ecs, iam, kms, s3, sts
from awacs import elasticloadbalancing as elb
from awacs.aws import Allow, Condition, PolicyDocument, Principal, Statement, StringEquals
from troposphere import GetAtt, Output, Parameter, Ref, Region, Sub, Template
from troposphere.iam import OIDCProvider, Policy, Role

from cfn import names
from cfn.boxes.builder import Builder
from cfn.boxes.encryption import Encryption
from cfn.boxes.registry import Registry
from cfn.environments import Environment
from cfn.permissions import EVERYTHING, allow, document
from cfn.values import REPOSITORY
from cfn.wiring import Value

HOST = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
SESSION = 3600  # seconds
# A change set of a template with a macro is a change set of the macro, too.
MACROS = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:aws:transform/*"


def cicd(
    template: Template, environment: Environment, registry: Registry, encryption: Encryption, builder: Builder
) -> None:
    repository = template.add_parameter(
        Parameter(
            "Repository",
            Type="String",
            Default=environment.site.repository,
            AllowedPattern=REPOSITORY.pattern,
            Description="GitHub repository (owner/name) whose workflows may deploy",
        )
    )
    provider = template.add_resource(
        OIDCProvider("GitHub", Url=f"https://{HOST}", ClientIdList=[AUDIENCE]),
    )
    deploys = [*_deploying(environment, builder), *_publishing(registry, encryption)]
    subjects = {
        "Deploy": (f"environment:{environment.name}", deploys, "Deploys this environment"),
        "Plan": ("pull_request", _planning(environment), "Compares a pull request with what is deployed"),
    }
    for title, (subject, statements, description) in subjects.items():
        made = template.add_resource(_workflow_role(title, provider, repository, subject, statements, description))
        template.add_output(Output(f"{title}RoleArn", Description=description, Value=GetAtt(made, "Arn")))


def _workflow_role(
    title: str,
    provider: OIDCProvider,
    repository: Parameter,
    subject: str,
    statements: Sequence[Statement],
    description: str,
) -> Role:
    claims = {
        f"{HOST}:aud": AUDIENCE,
        f"{HOST}:sub": Sub("repo:${Repository}:" + subject, Repository=Ref(repository)),
    }
    trust = Statement(
        Effect=Allow,
        Principal=Principal("Federated", Ref(provider)),
        Action=[sts.AssumeRoleWithWebIdentity],
        Condition=Condition(StringEquals(claims)),
    )
    return Role(
        f"{title}Role",
        Description=description,
        AssumeRolePolicyDocument=PolicyDocument(Version="2012-10-17", Statement=[trust]),
        MaxSessionDuration=SESSION,
        Policies=[Policy(PolicyName="own", PolicyDocument=document(*statements))],
    )


def _stacks(environment: Environment) -> Value:
    pattern = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/"
    return Sub(f"{pattern}{names.stack_name(environment, '*')}/*")


def _planning(environment: Environment) -> list[Statement]:
    look = [
        cloudformation.DescribeStackEvents,
        cloudformation.DescribeStackResources,
        cloudformation.DescribeStacks,
        cloudformation.GetTemplate,
        cloudformation.GetTemplateSummary,
        cloudformation.ListStackResources,
    ]
    # A plan says which weights it would pass on; looking at rules knows no resource.
    weights = [elb.DescribeRules, elb.DescribeTags]
    return [
        allow("LookAtStacks", look, [_stacks(environment)]),
        allow("SeeWeights", weights, [EVERYTHING], condition=_in_region()),
    ]


def _in_region() -> Condition:
    return Condition(StringEquals({"aws:RequestedRegion": Region}))


def _deploying(environment: Environment, builder: Builder) -> list[Statement]:
    change = [
        cloudformation.ContinueUpdateRollback,
        cloudformation.CreateChangeSet,
        cloudformation.DeleteChangeSet,
        cloudformation.DescribeChangeSet,
        cloudformation.DescribeStackEvents,
        cloudformation.DescribeStackResources,
        cloudformation.DescribeStacks,
        cloudformation.ExecuteChangeSet,
        cloudformation.GetTemplate,
        cloudformation.ListStackResources,
        cloudformation.SetStackPolicy,
        cloudformation.UpdateTerminationProtection,
    ]
    to_cloudformation = Condition(StringEquals({"iam:PassedToService": "cloudformation.amazonaws.com"}))
    live = [elb.DescribeListeners, elb.DescribeRules, elb.DescribeTags, elb.DescribeTargetHealth, ecs.DescribeServices]
    return [
        allow("ChangeOwnStacks", change, [_stacks(environment), Sub(MACROS)]),
        allow("HandOverToCloudFormation", [iam.PassRole], [builder.role], condition=to_cloudformation),
        # The weights and tasks of the moment, so that no deployment undoes a failover.
        allow("SeeWhatIsLive", live, [EVERYTHING], condition=_in_region()),
    ]


def _publishing(registry: Registry, encryption: Encryption) -> list[Statement]:
    push = [
        ecr.BatchCheckLayerAvailability,
        ecr.BatchGetImage,
        ecr.CompleteLayerUpload,
        ecr.DescribeImageScanFindings,
        ecr.DescribeImages,
        ecr.InitiateLayerUpload,
        ecr.PutImage,
        ecr.UploadLayerPart,
    ]
    bucket = Sub("arn:${AWS::Partition}:s3:::${Bucket}", Bucket=registry.artifacts)
    objects = Sub("arn:${AWS::Partition}:s3:::${Bucket}/*", Bucket=registry.artifacts)
    return [
        allow("RegistryToken", [ecr.GetAuthorizationToken], [EVERYTHING]),  # knows no resource
        allow("PushImages", push, list(registry.repositories.values())),
        allow("FindArtifacts", [s3.ListBucket], [bucket]),
        allow("PutArtifacts", [s3.GetObject, s3.PutObject], [objects]),
        allow("EncryptArtifacts", [kms.Decrypt, kms.GenerateDataKey], [encryption.key]),
    ]
