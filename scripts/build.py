"""Build what is deployed. Everything it makes is the same bytes when it is made again."""

import argparse

from scripts.builds import functions, ops

SUMMARY = "build what is deployed: lambda, ops"
KINDS = {"lambda": functions, "ops": ops}


def arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    for name, kind in KINDS.items():
        chosen = kinds.add_parser(name, help=kind.SUMMARY, description=kind.__doc__, allow_abbrev=False)
        kind.arguments(chosen)
        chosen.set_defaults(kind=kind)


def run(options: argparse.Namespace) -> int:
    code: int = options.kind.run(options)
    return code
