"""Who is let go when the house is full."""

import time

from landwaiter.serving.house import House


def test_the_lowest_rank_goes_first_and_in_it_whoever_has_it_longest() -> None:
    """A guest that moves up and down again has its rank from then on."""
    house: House[str] = House()
    for guest, rank in (("idle", 2), ("old", 0), ("young", 0), ("arriving", 1), ("old", 0)):
        house.place(guest, rank)
    order = []
    while (least := house.least_missed("newcomer")) is not None:
        order.append(least)
        house.forget(least)

    assert ["young", "old", "arriving", "idle"] == order


def test_nobody_goes_for_himself_nor_while_he_must_stay() -> None:
    """A guest without a rank is not known; the newcomer looks past itself."""
    house: House[str] = House()
    house.place("newcomer", 0)
    house.place("busy", 1)
    house.place("busy", None)
    alone = house.least_missed("newcomer")
    house.place("idle", 2)

    assert (None, "idle") == (alone, house.least_missed("newcomer"))


def seconds_for(guests: int) -> float:
    """Return what a hundred newcomers take in a full house."""
    house: House[int] = House()
    for guest in range(guests):
        house.place(guest, 2)
    begin = time.perf_counter()
    for newcomer in range(guests, guests + 100):
        house.place(newcomer, 0)
        house.least_missed(newcomer)
    return time.perf_counter() - begin


def test_a_newcomer_costs_as_little_in_a_full_house() -> None:
    """Else whoever fills it would be spared the work that everybody else has."""

    assert min(seconds_for(40_000) for _ in range(5)) < 0.02
