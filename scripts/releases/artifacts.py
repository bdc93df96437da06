"""The zips of a release, in the bucket under its tag. A tag means the same bytes for ever.

CloudFormation looks at the key of a zip and not into it: other bytes under the same key would be deployed for a
function that is made and not for one that is there.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cfn.boxes.ops import ZIP
from cfn.environments import Environment
from scripts.releases.aws import code
from scripts.terminal import Problem

BUILT = "scripts/tandem build lambda --ca FILE, and scripts/tandem build ops"


@dataclass(frozen=True, slots=True)
class Artifact:
    name: str
    content: bytes

    @property
    def checksum(self) -> str:
        return b64encode(sha256(self.content).digest()).decode()


def built(environment: Environment, folder: Path, *, here: bool) -> list[Artifact]:
    """What `build` has left in FOLDER/lambda and FOLDER/ops. Raises Problem for what is missing, or was built for
    another machine than the environment's (with `here`, this one's will do)."""
    paths = [folder / "lambda" / f"{service.name}.zip" for service in environment.services] + [folder / "ops" / ZIP]
    return [_checked(path, environment, here=here) for path in paths]


def _checked(path: Path, environment: Environment, *, here: bool) -> Artifact:
    try:
        content, facts = path.read_bytes(), json.loads(path.with_suffix(".json").read_text())
    except FileNotFoundError as missing:
        raise Problem(f"There is no {missing.filename}; build it first: {BUILT}.") from None
    if sha256(content).hexdigest() != facts["sha256"]:
        raise Problem(f"{path} is not what its manifest describes; build it again: {BUILT}.")
    if here:
        return Artifact(path.name, content)
    python, wanted = facts["python"].rpartition(".")[0], environment.functions.python
    if facts["platform"] == "this machine" or python != wanted:
        raise Problem(f"{path} is for Python {python} on {facts['platform']}, not for Python {wanted} on AWS Lambda.")
    if facts.get("certificates") is False:
        raise Problem(f"{path} holds no certificates of the database, and would not start; build it with --ca.")
    return Artifact(path.name, content)


def upload(s3: Any, bucket: str, tag: str, artifacts: list[Artifact]) -> Iterator[str]:
    """A line for each. Raises Problem when the tag already means something else."""
    for one in artifacts:
        key = f"{tag}/{one.name}"
        known = _checksum(s3, bucket, key)
        if known is None:
            s3.put_object(
                Bucket=bucket, Key=key, Body=one.content, ChecksumSHA256=one.checksum, Metadata={"sha256": one.checksum}
            )
            yield f"{key}, {len(one.content) / 1e6:.1f} MB"
        elif known == one.checksum:
            yield f"{key}, there already"
        else:
            raise Problem(f"{bucket} holds another {key}: a tag is used for one build. Choose a new one.")


def _checksum(s3: Any, bucket: str, key: str) -> str | None:
    try:
        return str(s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256", ""))
    except ClientError as error:
        if code(error) in {"404", "NoSuchKey", "NotFound"}:
            return None
        raise
