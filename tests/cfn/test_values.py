"""Bad input gets one sentence before anything is rendered."""

import argparse
from collections.abc import Callable
from dataclasses import replace

import pytest

from cfn.environments import ENVIRONMENTS, LOCAL, SERVICES, environment
from cfn.values import (
    FARGATE,
    Addresses,
    BadValue,
    Capacity,
    Database,
    Functions,
    Scaling,
    Site,
    Size,
    Weights,
)
from scripts import synth
from scripts.terminal import Problem

DEV = ENVIRONMENTS["dev"]
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "unknown environment": (lambda: environment("moon"), "There is no environment 'moon'; there are dev, prod, lean."),
    "domain without certificate": (
        lambda: Site(domain="shop.io", certificate=None),
        "The domain shop.io needs the id of its ACM certificate.",
    ),
    "domain without zone": (
        lambda: Site(domain="shop.io", zone=None),
        "The domain shop.io needs the id of its Route 53 hosted zone.",
    ),
    "certificate without domain": (lambda: Site(domain=None), "A certificate or a hosted zone needs its domain too."),
    "no domain name": (lambda: Site(domain="Shop"), "'Shop' is no domain name in lower case."),
    "ARN for an id": (lambda: Site(certificate="arn:aws:acm"), "'arn:aws:acm' is no id of an ACM certificate."),
    "no zone id": (lambda: Site(zone="example.com"), "'example.com' is no id of a hosted zone."),
    "nobody to alarm": (lambda: Site(emails=()), "Somebody must get the alarms: give at least one e-mail address."),
    "no e-mail address": (lambda: Site(emails=("me",)), "'me' is no e-mail address."),
    "no repository": (lambda: Site(repository="shop"), "'shop' is no GitHub repository (owner/name)."),
    "overlapping subnets": (
        lambda: Addresses(public=("10.20.0.0/22", "10.20.2.0/23", "10.20.8.0/22")),
        "Subnets 10.20.0.0/22 and 10.20.2.0/23 overlap.",
    ),
    "subnet outside": (
        lambda: Addresses(private=("10.99.0.0/20", "10.20.48.0/20", "10.20.64.0/20")),
        "Subnet 10.99.0.0/20 lies outside the VPC's 10.20.0.0/16.",
    ),
    "no block": (lambda: Addresses(vpc="10.20.0.1/16"), "'10.20.0.1/16' is no IPv4 block, such as 10.20.0.0/16."),
    "unknown nat": (
        lambda: Addresses(nat="many"),  # type: ignore[arg-type]
        "NAT is none, single or per-zone, not 'many'.",
    ),
    "weight above": (lambda: Weights(fargate=1000), "A target group's weight is 0 to 999, not 1000."),
    "weight below": (lambda: Weights(fallback=-1), "A target group's weight is 0 to 999, not -1."),
    "no weight": (lambda: Weights(fargate=0), "With both weights 0 a rule would send its requests nowhere."),
    "odd processor": (
        lambda: Size(cpu=300),
        "Fargate has no task of 300 CPU units; choose one of 256, 512, 1024, 2048, 4096, 8192, 16384.",
    ),
    "odd pair": (
        lambda: Size(cpu=256, memory=4096),
        "Fargate sells no 4096 MiB with 256 CPU units; choose 512 to 2048.",
    ),
    "odd processor kind": (
        lambda: Size(architecture="m68k"),  # type: ignore[arg-type]
        "Processors are x86_64 or arm64, not 'm68k'.",
    ),
    "odd python": (lambda: Functions(python="2.7"), "Lambda runs Python 3.11, 3.12, 3.13, 3.14, not 2.7."),
    "fixed task count": (
        lambda: Scaling(minimum=3, maximum=3),
        "A service scales from at least 1 task to more than that, not from 3 to 3.",
    ),
    "no capacity": (
        lambda: Capacity(on_demand=0, spot=0),
        "With both capacity weights 0 no task could be placed.",
    ),
    "unknown class": (
        lambda: Database(instance="db.huge"),
        "The database class 'db.huge' is not in the table of sizes.",
    ),
    "shrinking storage": (
        lambda: Database(storage=200, maximum_storage=100),
        "Storage is at least 20 GiB, and at most what it may grow to.",
    ),
    "no backups": (lambda: Database(backup_days=0), "RDS keeps backups for 1 to 35 days, not 0."),
    "slow function": (
        lambda: Functions(timeout=60),
        "A function of 60 s outlives the load balancer's 60 s of patience.",
    ),
    "no concurrency": (lambda: Functions(concurrency=0), "Without concurrency the fallback answers nothing."),
    "unknown edge": (
        lambda: replace(DEV, edge="public"),  # type: ignore[arg-type]
        "The edge is public-alb or vpc-origin, not 'public'.",
    ),
    "other region": (
        lambda: replace(DEV, region="eu-west-1"),
        "The region is us-east-1, not eu-west-1: CloudFront's certificate and web ACL live there only.",
    ),
    "public without domain": (
        lambda: replace(DEV, site=Site(domain=None, certificate=None, zone=None)),
        (
            "A public load balancer without domain and certificate would get the origin secret in clear text;"
            ' give both, or choose the edge "vpc-origin".'
        ),
    ),
    "public without NAT": (
        lambda: replace(DEV, addresses=Addresses(nat="none", endpoints=("secretsmanager",))),
        'Without NAT the tasks have no fixed address that a public load balancer could admit; choose "vpc-origin".',
    ),
    "secrets out of reach": (
        lambda: replace(DEV, edge="vpc-origin", addresses=Addresses(nat="none")),
        'Without NAT the functions reach their secrets only through the endpoint "secretsmanager".',
    ),
    "two on one port": (
        lambda: replace(DEV, services=(SERVICES[0], replace(SERVICES[1], port=8000))),
        "Two services have the same port.",
    ),
    "same priority": (
        lambda: replace(DEV, services=(SERVICES[0], replace(SERVICES[1], priority=10))),
        "Two services have the same priority.",
    ),
    "too many connections": (
        lambda: replace(DEV, scaling=Scaling(maximum=5)),
        "Tasks and functions could open 130 connections; a db.t4g.micro takes 112.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_one_sentence(case: str) -> None:
    make, sentence = REFUSED[case]
    with pytest.raises(BadValue) as refusal:
        make()
    assert str(refusal.value) == sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("cpu", FARGATE)
def test_every_pair_that_fargate_sells_is_taken(cpu: int) -> None:
    for memory in FARGATE[cpu]:
        assert Size(cpu=cpu, memory=memory).memory == memory
    with pytest.raises(BadValue):
        Size(cpu=cpu, memory=max(FARGATE[cpu]) + 1024)


def test_the_local_environment_has_the_same_services() -> None:
    assert LOCAL.services == SERVICES == DEV.services
    assert [(service.name, service.port) for service in SERVICES] == [
        ("product", 8000),
        ("order", 8001),
        ("frontend", 3000),
    ]


def test_a_service_without_paths_takes_what_is_left() -> None:
    assert {service.name: service.patterns for service in SERVICES} == {
        "product": ("/products", "/products/*"),
        "order": ("/orders", "/orders/*"),
        "frontend": ("/*",),
    }


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    synth.arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--env", "moon"], "There is no environment 'moon'; there are dev, prod, lean."),
        (["--env", "dev", "--domain", "shop.io"], "The domain shop.io needs the id of its ACM certificate."),
        (["--env", "dev", "--weights", "0/0"], "With both weights 0 a rule would send its requests nowhere."),
        (["--env", "dev", "--weights", "1000/0"], "A target group's weight is 0 to 999, not 1000."),
        (["--env", "dev", "--weights", "much"], "Weights are two whole numbers such as 100/0, not 'much'."),
    ],
)
def test_the_command_says_the_same_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(Problem) as problem:
        synth.selected(options(*words))
    assert str(problem.value) == sentence


def test_options_change_only_what_they_name() -> None:
    words = ["--env", "prod", "--email", "a@b.io", "--email", "c@d.io", "--version", "v7", "--weights", "90/10"]
    (changed,) = synth.selected(options(*words))
    prod = ENVIRONMENTS["prod"]
    assert changed == replace(
        prod,
        site=replace(prod.site, emails=("a@b.io", "c@d.io")),
        version="v7",
        weights=Weights(fargate=90, fallback=10),
    )


def test_without_options_every_environment_is_chosen_as_it_is() -> None:
    assert synth.selected(options()) == list(ENVIRONMENTS.values())
