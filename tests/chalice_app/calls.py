"""The AWS calls of each handler, as IAM names them, and nothing besides: what its policy has to allow.

The tests of each handler compare this with what its clients really sent; the tests of the templates compare it with the
policies. `notify` and everybody's way to Slack are in the list of those who announce.
"""

_MOVING = frozenset(
    {
        "cloudwatch:DescribeAlarms",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:RemoveTags",
        "lambda:InvokeFunction",
    }
)

CALLS: dict[str, frozenset[str]] = {
    "failover": _MOVING,
    "reconcile": _MOVING,
    "clean_images": frozenset(
        {
            "ecr:BatchDeleteImage",
            "ecr:BatchGetImage",
            "ecr:DescribeImages",
            "ecr:DescribeRepositories",
            "ecr:ListTagsForResource",
            "ecs:DescribeServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "ecs:DescribeServices",
            "ecs:DescribeTaskDefinition",
            "ecs:DescribeTasks",
            "ecs:ListClusters",
            "ecs:ListServiceDeployments",
            "ecs:ListServices",
            "ecs:ListTasks",
            "events:ListRules",
            "events:ListTargetsByRule",
            "lambda:GetFunction",
            "lambda:ListFunctions",
            "scheduler:GetSchedule",
            "scheduler:ListSchedules",
        }
    ),
    "clean_logs": frozenset(
        {
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "logs:DeleteLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:GetLogEvents",
            "logs:ListTagsForResource",
            "logs:PutRetentionPolicy",
        }
    ),
}
