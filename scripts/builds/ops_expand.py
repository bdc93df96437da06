"""Expand a SAM template to CloudFormation, on standard output. Runs in the environment of requirements/ops.txt, which
holds the translator, and asks no AWS."""

import json
import sys
from pathlib import Path
from typing import Any

BUCKET, KEY = "artifacts", "ops.zip"  # any: the templates name the real ones


def main(path: Path) -> None:
    import boto3  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - only that environment has these
    from samtranslator.parser.parser import Parser  # type: ignore[import-not-found] # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # type: ignore[import-not-found] # noqa: PLC0415

    template: dict[str, Any] = json.loads(path.read_text())
    for resource in template["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = {"Bucket": BUCKET, "Key": KEY}
    session = boto3.Session(region_name="us-east-1")
    translated = Translator({}, Parser(), boto_session=session).translate(template, {})
    json.dump(translated, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
