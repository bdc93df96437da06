"""`python -m scripts VERB`: a verb is a module of this folder with SUMMARY, arguments(parser) and run(options).

Only the module of the verb that was asked for is imported; the summaries are read as text. A verb whose parser has the
default `rest=[]` gets there what the parser does not know, to pass it on to another program.
"""

import argparse
import errno
import importlib
import re
import sys
from pathlib import Path
from typing import Protocol, cast

from scripts.terminal import Problem

OF_THE_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
SUMMARY = re.compile(r'^SUMMARY = "(.+)"$', re.MULTILINE)


class Verb(Protocol):
    SUMMARY: str

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def main(arguments: list[str]) -> int:
    verbs = summaries(Path(__file__).parent)
    name = arguments[0] if arguments else "--help"
    if name in {"-h", "--help", "help"}:
        print(usage(verbs))
        return 0
    if name not in verbs:
        print(f"tandem: there is no verb {name!r}; scripts/tandem --help lists them.", file=sys.stderr)
        return 2
    return perform(name, arguments[1:])


def summaries(folder: Path) -> dict[str, str]:
    found = {path.stem: SUMMARY.search(path.read_text()) for path in sorted(folder.glob("[a-z]*.py"))}
    return {name: match[1] for name, match in found.items() if match}


def usage(verbs: dict[str, str]) -> str:
    lines = [f"  {name:<10} {summary}" for name, summary in verbs.items()]
    return "\n".join(["usage: scripts/tandem VERB [options]", "", *lines, "", "scripts/tandem VERB --help says more."])


def perform(name: str, arguments: list[str]) -> int:
    verb = cast("Verb", importlib.import_module(f"scripts.{name}"))
    parser = argparse.ArgumentParser(prog=f"scripts/tandem {name}", description=verb.__doc__, allow_abbrev=False)
    verb.arguments(parser)
    options, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(options, "rest"):
        parser.error(f"there is no option {rest[0]!r}")
    options.rest = rest
    try:
        return verb.run(options)
    except Problem as problem:
        print(f"tandem: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        print(f"tandem: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
