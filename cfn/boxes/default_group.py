"""The VPC's default security group, emptied: whatever is started without a group of its own then reaches nothing.

CloudFormation cannot change a group that it did not make, so a small function does it once.
"""

from awacs import ec2 as ec2_actions
from awacs import logs as log_actions
from troposphere import GetAtt, Ref, Sub, Template
from troposphere.awslambda import Code, Function, LoggingConfig
from troposphere.cloudformation import CustomResource
from troposphere.logs import LogGroup

from cfn.boxes.encryption import Encryption
from cfn.boxes.network import Network
from cfn.environments import Environment
from cfn.permissions import EVERYTHING, allow, role

CODE = """\
import boto3
import cfnresponse

def handler(event, context):
    status, reason = cfnresponse.SUCCESS, None
    try:
        if event["RequestType"] != "Delete":
            empty(boto3.client("ec2"), event["ResourceProperties"]["GroupId"])
    except Exception as error:
        status, reason = cfnresponse.FAILED, str(error)
    cfnresponse.send(event, context, status, {}, "default-group", reason=reason)

def empty(ec2, group):
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    for outward, revoke in ((False, ec2.revoke_security_group_ingress), (True, ec2.revoke_security_group_egress)):
        ids = [rule["SecurityGroupRuleId"] for rule in rules["SecurityGroupRules"] if rule["IsEgress"] == outward]
        if ids:
            revoke(GroupId=group, SecurityGroupRuleIds=ids)
"""


def default_group(template: Template, environment: Environment, network: Network, encryption: Encryption) -> None:
    group = template.add_resource(
        LogGroup(
            "DefaultGroupLog",
            RetentionInDays=environment.log_days,
            KmsKeyId=encryption.key,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    own = Sub(
        "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:security-group/${Group}",
        Group=network.default_group,
    )
    executor = role(
        template,
        "DefaultGroupRole",
        "lambda.amazonaws.com",
        [
            # Listing rules supports no resource.
            allow("Look", [ec2_actions.DescribeSecurityGroupRules], [EVERYTHING]),
            allow("Empty", [ec2_actions.RevokeSecurityGroupEgress, ec2_actions.RevokeSecurityGroupIngress], [own]),
            allow("Log", [log_actions.CreateLogStream, log_actions.PutLogEvents], [GetAtt(group, "Arn")]),
        ],
        description="Empties the default security group",
        guarded=False,
    )
    function = template.add_resource(
        Function(
            "DefaultGroupFunction",
            Description="Empties the default security group",
            Runtime="python3.13",
            Handler="index.handler",
            Timeout=30,
            MemorySize=128,
            ReservedConcurrentExecutions=1,
            Role=GetAtt(executor, "Arn"),
            Code=Code(ZipFile=CODE),
            LoggingConfig=LoggingConfig(LogGroup=Ref(group)),
        )
    )
    template.add_resource(
        CustomResource("EmptyDefaultGroup", ServiceToken=GetAtt(function, "Arn"), GroupId=network.default_group)
    )
