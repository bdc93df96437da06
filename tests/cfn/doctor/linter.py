"""What cfn-lint says of a mutant. It is slow: only what the doctor let pass comes here, and each template once."""

import hashlib
import json
from importlib import import_module
from importlib.metadata import version

import pytest

from cfn.doctor.graph import Stack


def complains(stack: Stack, cache: pytest.Cache) -> bool:
    body = json.dumps(stack.body)
    key = f"tandem/cfn-lint-{version('cfn-lint')}/{hashlib.sha256(body.encode()).hexdigest()}"
    known = cache.get(key, None)
    if known is None:
        api = import_module("cfnlint.api")  # takes seconds, and most runs find all in the cache
        known = bool(api.lint(body, config=api.ManualArgs(regions=[stack.region])))
        cache.set(key, known)
    return bool(known)
