"""The only place where names are invented: of stacks, resources, exports and tags."""

from collections.abc import Mapping

from cfn.environments import Environment

PROJECT = "tandem"
ORIGIN_HEADER = "X-Origin-Verify"


def stack_name(environment: Environment, stack: str) -> str:
    return f"{PROJECT}-{environment.name}-{stack}"


def name(environment: Environment, *parts: str) -> str:
    """For what a person or another program has to find by name."""
    return "-".join((PROJECT, environment.name, *parts))


def title(*parts: str) -> str:
    """A logical id: `title("order", "task-role")` is OrderTaskRole."""
    words = "-".join(parts).replace("_", "-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words)


def tags(environment: Environment, stack: str) -> Mapping[str, str]:
    return {"Project": PROJECT, "Environment": environment.name, "Stack": stack, "ManagedBy": "cloudformation"}
