"""Measure the platform. Each bench prints what it saw and a verdict; exit code 1 says that the verdict is no."""

import argparse

from scripts.benches import cold, pages, parity, race, tracing

SUMMARY = "measure the platform: cold, pages, parity, race, tracing"
BENCHES = {"cold": cold, "pages": pages, "parity": parity, "race": race, "tracing": tracing}


def arguments(parser: argparse.ArgumentParser) -> None:
    benches = parser.add_subparsers(metavar="BENCH", required=True)
    for name, bench in BENCHES.items():
        chosen = benches.add_parser(name, help=bench.SUMMARY, description=bench.__doc__, allow_abbrev=False)
        bench.arguments(chosen)
        chosen.set_defaults(bench=bench)


def run(options: argparse.Namespace) -> int:
    code: int = options.bench.run(options)
    return code
