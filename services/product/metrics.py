"""What the product service counts beside its requests."""

from services.chassis.metrics import Metric

RESERVATIONS_EXPIRED = Metric(
    name="ReservationsExpired",
    unit="Count",
    why="Reservations that the sweeper released. In a working shop there are none.",
)
OVERSELL_GUARD_HITS = Metric(
    name="OversellGuardHits",
    unit="Count",
    why="The constraint on stock had to refuse, since a conditional statement failed to. 0 leaves with every flush.",
)
METRICS = (RESERVATIONS_EXPIRED, OVERSELL_GUARD_HITS)
