"""Build what is deployed. The zips are the same bytes when they are made again."""

import argparse

from scripts.builds import functions, images, ops

SUMMARY = "build what is deployed: images, lambda, ops"
KINDS = {"images": images, "lambda": functions, "ops": ops}


def arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    for name, kind in KINDS.items():
        chosen = kinds.add_parser(name, help=kind.SUMMARY, description=kind.__doc__, allow_abbrev=False)
        kind.arguments(chosen)
        chosen.set_defaults(kind=kind)


def run(options: argparse.Namespace) -> int:
    code: int = options.kind.run(options)
    return code
