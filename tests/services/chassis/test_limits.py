"""Limits: what a bucket grants, when it grants again, and that neither limit leaks."""

import pytest

from services.chassis.errors import TooManyRequests, Unavailable
from services.chassis.limits import InFlight, TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_grants_its_burst_and_then_says_when_to_come_back() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate=20 / 60, burst=20, clock=clock)
    for _ in range(20):
        buckets.take("a")
    with pytest.raises(TooManyRequests) as refusal:
        buckets.take("a")
    assert refusal.value.retry_after == 3
    clock.now += 3
    buckets.take("a")
    with pytest.raises(TooManyRequests):
        buckets.take("a")


@pytest.mark.parametrize("burst", range(1, 120))
def test_the_whole_burst_is_granted_whatever_its_intervals_round_to(burst: int) -> None:
    buckets = TokenBuckets(rate=burst / 60, burst=burst, clock=Clock())
    for _ in range(burst):
        buckets.take("a")
    with pytest.raises(TooManyRequests):
        buckets.take("a")


def test_a_refusal_costs_no_token() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate=1, burst=1, clock=clock)
    buckets.take("a")
    for _ in range(50):
        with pytest.raises(TooManyRequests):
            buckets.take("a")
    clock.now += 1
    buckets.take("a")


def test_one_key_does_not_pay_for_another() -> None:
    buckets = TokenBuckets(rate=1, burst=1, clock=Clock())
    buckets.take("a")
    buckets.take("b")


def test_full_buckets_are_forgotten_and_the_number_of_the_others_is_bounded() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate=1, burst=5, clock=clock, keys=100)
    for key in range(1000):
        buckets.take(key)
    assert len(buckets) == 100
    clock.now += 60
    buckets.take("new")
    assert len(buckets) == 1


def test_requests_above_the_cap_are_refused_until_one_is_done() -> None:
    in_flight = InFlight(2)
    with in_flight.slot():
        with in_flight.slot(), pytest.raises(Unavailable), in_flight.slot():
            pytest.fail("the third was let in")
        with in_flight.slot():
            pass


def test_a_request_that_fails_frees_its_place() -> None:
    in_flight = InFlight(1)
    with pytest.raises(ZeroDivisionError), in_flight.slot():
        raise ZeroDivisionError
    with in_flight.slot():
        pass


def test_what_matters_less_is_refused_first() -> None:
    in_flight = InFlight(2)
    with in_flight.slot():
        with pytest.raises(Unavailable), in_flight.slot(spare=1):
            pytest.fail("a read took the last place")
        with in_flight.slot():
            pass


def test_where_there_are_few_places_what_matters_less_still_has_one() -> None:
    in_flight = InFlight(2)
    with in_flight.slot(spare=8), pytest.raises(Unavailable), in_flight.slot(spare=8):
        pytest.fail("there is one place for it")
