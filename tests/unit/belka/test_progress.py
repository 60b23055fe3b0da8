"""Counting: totals, rates without the first call, and one line in a while."""

from collections.abc import Iterator

from belka.events.channel import listening
from belka.events.event import Amount, Event, State
from belka.progress import Tracker, counted, progress


def amounts(heard: list[Event]) -> list[Amount]:
    return [event.progress for event in heard if event.progress]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_and_the_last_state_are_told_in_any_case() -> None:
    heard = list[Event]()
    with listening(heard.append), progress("scoring", "molecules", 30) as done:
        for _ in range(3):
            done.add(10, {"loss": 0.5})
    first, *_, last = amounts(heard)
    assert (first.done, first.total) == (0, 30)
    assert (last.done, last.total, last.unit, last.part, last.figures) == (
        30,
        30,
        "molecules",
        "scoring",
        {"loss": 0.5},
    )
    assert {event.state for event in heard} == {State.RUNNING}
    assert len({event.source for event in heard}) == 1


def test_the_rate_leaves_out_what_the_first_units_took_and_forgets() -> None:
    heard, clock = list[Event](), Clock()
    with listening(heard.append):
        tracker = Tracker("x", "rows", 10_000, clock=clock)
        clock.now += 500  # compiling
        tracker.add(10)
        for _ in range(10):
            clock.now += 1
            tracker.add(20)
        tracker.tell()
        assert amounts(heard)[-1].rate == 20
        for _ in range(40):
            clock.now += 1
            tracker.add(5)
        tracker.tell()
    last = amounts(heard)[-1]
    assert last.rate == 5
    assert last.seconds_left == (10_000 - 410) / 5


def test_a_long_pause_is_no_pace() -> None:
    heard, clock = list[Event](), Clock()
    with listening(heard.append):
        tracker = Tracker("x", "batches", 66, clock=clock)
        for seconds in (90, 1, 62):  # compiles before the first batch, and once more before the third
            clock.now += seconds
            tracker.add()
        assert amounts(heard)[-1].rate == 1  # not one a minute, and an hour left
        for _ in range(5):
            clock.now += 0.5
            tracker.add(2)
    assert amounts(heard)[-1].rate == 4


def test_what_takes_a_minute_each_has_a_pace() -> None:
    heard, clock = list[Event](), Clock()
    with listening(heard.append):
        tracker = Tracker("x", "models", 6, clock=clock)
        for _ in range(3):
            clock.now += 60
            tracker.add()
    assert amounts(heard)[-1].seconds_left == 180


def test_events_come_at_most_twice_a_second() -> None:
    heard, clock = list[Event](), Clock()
    with listening(heard.append):
        tracker = Tracker("x", "rows", clock=clock)
        for _ in range(100):
            clock.now += 0.01
            tracker.add()
    assert len(heard) == 2


def test_a_loop_is_counted_by_the_size_of_its_items() -> None:
    def items() -> Iterator[str]:
        yield from ("ab", "cde")

    heard = list[Event]()
    with listening(heard.append):
        assert list(counted(items(), "reading", "letters", 5, size=len)) == ["ab", "cde"]
    assert amounts(heard)[-1].done == 5


def test_nobody_listens() -> None:
    with progress("x", "rows") as done:
        done.add(3)
