"""The judge of what several did at once accepts what can be, and nothing else."""

from uuid import UUID

from tests.chaos.interleaving import Act, explained, schedules
from tests.chaos.shelf import Answer, Shelf, alone

ONE, TWO = UUID(int=1), UUID(int=2)
BOTH = [Act(lambda shelf: shelf.reserve(ONE, ((7, 1),)), 2), Act(lambda shelf: shelf.reserve(TWO, ((7, 1),)), 2)]
MADE: Answer = ("made", "held", ((7, 1, 250),), 250)
REFUSED: Answer = ("refused", "insufficient-stock", (7,))


def shelf(stock: int) -> Shelf:
    found = Shelf()
    found.add(7, stock, 250)
    return found


def after(stock: int, *reserved: UUID) -> Shelf:
    found = shelf(stock)
    for reservation_id in reserved:
        alone(found.reserve(reservation_id, ((7, 1),)))
    return found


def test_every_order_of_steps_is_tried_once() -> None:
    assert sorted(schedules([2, 1])) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert len(list(schedules([3, 2, 2]))) == 210


def test_either_of_two_buyers_may_get_the_last_unit() -> None:
    first, second = after(1, ONE, TWO), after(1, TWO, ONE)
    assert explained(shelf(1), BOTH, [MADE, REFUSED], first.state()) == first
    assert explained(shelf(1), BOTH, [REFUSED, MADE], second.state()) == second


def test_nothing_explains_a_unit_that_was_sold_twice() -> None:
    sold_twice = after(2, ONE, TWO).state() | {"products": {7: (0, 250, True)}}
    assert explained(shelf(1), BOTH, [MADE, MADE], sold_twice) is None


def test_nothing_explains_an_answer_that_is_not_what_is_stored() -> None:
    assert explained(shelf(1), BOTH, [MADE, REFUSED], after(1, TWO, ONE).state()) is None


def test_a_confirmation_may_find_its_goods_returned_already() -> None:
    """Between the two steps of a confirmation there is room for a whole return."""
    returned = after(1, ONE)
    alone(returned.confirm(ONE))
    alone(returned.give_back(ONE, "cancel"))
    acts = [Act(lambda shelf: shelf.confirm(ONE), 2), Act(lambda shelf: shelf.give_back(ONE, "cancel"), 2)]
    answers: list[Answer] = [("refused", "returned", None), ("returned",)]
    assert explained(after(1, ONE), acts, answers, returned.state()) == returned
