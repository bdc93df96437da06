"""Judge the templates of an environment, or with --data a live database. Exit code 1 says that something was found.

Without --templates the environment is rendered first. The rules read JSON only: what they judge is what is deployed.
"""

import argparse
import json
from pathlib import Path

from cfn.doctor.examine import examine
from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.findings import Finding
from cfn.doctor.graph import Stack
from cfn.doctor.reading import Unreadable, read
from cfn.doctor.report import as_json, as_table, explain, listed
from cfn.doctor.rules import RULES
from scripts.terminal import Problem

SUMMARY = "judge the templates, or the data of a database"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", help=f"one of {', '.join(ENVIRONMENTS)}; all of them without this")
    parser.add_argument("--templates", type=Path, metavar="DIR", help="what synth wrote for that environment")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--explain", metavar="RULE", help="say why a rule is there, such as TND-NET-01")
    parser.add_argument("--rules", action="store_true", help="list all rules")
    data = parser.add_argument_group("the data instead of the templates")
    data.add_argument("--data", action="store_true", help="check that stock, ledger and orders agree")
    data.add_argument("--database-url", metavar="URL", help="of the database; the local one without this")


def run(options: argparse.Namespace) -> int:
    if options.explain or options.rules:
        print(explained(options.explain) if options.explain else listed(list(RULES.values())))
        return 0
    if options.data:
        from scripts.doctor_data import check_data  # noqa: PLC0415 - judging templates needs no database

        return check_data(options.database_url, as_json=options.json)
    if options.templates and not options.env:
        raise Problem("say with --env which environment the templates are for")
    found = {name: diagnosed(name, options.templates) for name in ([options.env] if options.env else ENVIRONMENTS)}
    if options.json:
        print("[" + ",\n".join(as_json(name, len(RULES), findings) for name, findings in found.items()) + "]")
    else:
        print("\n".join(as_table(name, len(RULES), findings) for name, findings in found.items()))
    return 1 if any(found.values()) else 0


def explained(name: str) -> str:
    if name.upper() not in RULES:
        raise Problem(f"there is no rule {name}; scripts/tandem doctor --rules lists them")
    return explain(RULES[name.upper()])


def diagnosed(name: str, folder: Path | None) -> list[Finding]:
    if name not in ENVIRONMENTS:
        raise Problem(f"the doctor knows no environment {name!r}; there are {', '.join(ENVIRONMENTS)}")
    try:
        stacks = read(folder) if folder else rendered(name)
    except Unreadable as unreadable:
        raise Problem(str(unreadable)) from None
    return examine(stacks, ENVIRONMENTS[name])


def rendered(name: str) -> list[Stack]:
    from cfn.environments import environment  # noqa: PLC0415 - judging a folder needs nothing that renders
    from cfn.stacks import render  # noqa: PLC0415

    chosen = environment(name)
    return [Stack(s.name, json.loads(s.body), s.parameters, chosen.region) for s in render(chosen)]
