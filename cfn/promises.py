"""What an environment promises to those who ask it, and from where on silence is suspicious."""

from dataclasses import dataclass

from cfn.values import require

FASTEST = 14.4  # times as fast as allowed: what the quickest alarm on a budget of 30 days asks for
WHOLE = "shop"  # the subject of an objective on all that the load balancer is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Over `days`, `available` per cent of the requests to the subject do not end in 5xx, and `quick` per cent are
    answered within so many milliseconds. The subject is a service, on both runtimes together, or the whole shop as
    the load balancer sees it, which has no `quick`."""

    subject: str
    available: float = 99.9
    quick: float = 95
    within: int = 500
    days: int = 30

    def __post_init__(self) -> None:
        for share in (self.available, self.quick):
            require(
                100 - 100 / FASTEST < share < 100,
                f"An objective of {share:g} % can never burn {FASTEST:g} times too fast, or leaves nothing to burn.",
            )
        require(self.within > 0 and self.days > 0, "An objective needs milliseconds and days above 0.")

    def __str__(self) -> str:
        answered = f"{self.available:g} % of requests answered without an error of ours"
        if self.subject == WHOLE:
            return f"{answered}."
        return f"{answered}, {self.quick:g} % within {self.within} ms."


@dataclass(frozen=True, slots=True, kw_only=True)
class Selling:
    """So many requests to the storefront in so many hours without one order means that nobody can order."""

    visits: int = 2000
    hours: int = 1

    def __post_init__(self) -> None:
        require(self.visits > 0, "Without a visit nobody is expected to order: give a number above 0.")
        require(1 <= self.hours <= 24, f"CloudWatch looks back a day at most here, not {self.hours} h.")
