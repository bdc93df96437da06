"""The clients of one account and region, and what goes wrong with them as a sentence."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

from scripts.terminal import Problem

# `standard` waits twice as long before each of ten tries, up to 20 s: AWS throttles CloudFormation's look-ups within a
# minute, and a deployment that gave up then would leave an operator with a half.
PATIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 10})
ENDED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """boto3 clients."""

    cloudformation: Any
    ecr: Any
    elbv2: Any
    s3: Any


def connected(region: str, *, endpoint: str | None = None, session: Any = boto3) -> Aws:
    services = ("cloudformation", "ecr", "elbv2", "s3")
    return Aws(
        **{name: session.client(name, region_name=region, endpoint_url=endpoint, config=PATIENT) for name in services}
    )


@contextlib.contextmanager
def in_sentences() -> Iterator[None]:
    """Raises Problem for what the clients raise."""
    try:
        yield
    except NoCredentialsError:
        raise Problem("There are no AWS credentials: sign in, or set AWS_PROFILE.") from None
    except HTTPClientError as error:
        raise Problem(f"AWS cannot be reached: {error}") from None
    except BotoCoreError as error:  # of a profile, a region, a sign-in that is over: its text says which
        raise Problem(f"AWS: {error}") from None
    except ClientError as error:
        raise Problem(_sentence(error)) from None


def code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))


def message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


def _sentence(error: ClientError) -> str:
    if code(error) in ENDED:
        return "Your AWS credentials have expired or are not valid: sign in again."
    if code(error).startswith(("AccessDenied", "UnauthorizedOperation")):
        return f"You may not do this: {message(error)}"
    return f"AWS refused {error.operation_name}: {message(error) or code(error)}"
