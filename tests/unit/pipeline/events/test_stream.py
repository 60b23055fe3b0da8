"""Events of a run are completed, counters of several processes are added up, and one bad listener harms no other."""

import pytest

from belka.events.event import Amount, Event, State
from pipeline.events.stream import RunStream
from pipeline.runners.peak_memory import PeakMemory
from pipeline.steps import step_of


def amount(done: int, total: int | None = None, rate: float = 0.0, part: str = "scoring") -> Amount:
    return Amount(part, done, total, "rows", rate)


def gather(*events: Event) -> list[Event]:
    heard = list[Event]()
    with PeakMemory() as memory:
        stream = RunStream("run-1", [heard.append], step_of=step_of, memory=memory)
        for event in events:
            stream.hear(event)
    return heard


def told(node: str, source: str, progress: Amount) -> Event:
    return Event(State.RUNNING, node, source=source, progress=progress)


def test_events_get_run_step_and_memory() -> None:
    started, ended = gather(Event(State.STARTED, "trainer-clf"), Event(State.FINISHED, "trainer-clf"))
    assert (started.run, started.step, started.memory_bytes) == ("run-1", "train_model", 0)
    assert ended.memory_bytes > 1_000_000


def test_workers_are_added_up_and_the_whole_is_what_the_parent_said() -> None:
    *_, last = gather(
        told("bulk-inferrer", "1-0", amount(0, 100)),
        told("bulk-inferrer", "2-0", amount(20, rate=2.0)),
        told("bulk-inferrer", "3-0", amount(30, rate=3.0)),
        told("bulk-inferrer", "2-0", amount(40, rate=4.0)),
    )
    assert last.progress == amount(70, 100, 7.0)


def test_a_part_that_begins_again_starts_at_nothing() -> None:
    *_, last = gather(
        told("trainer-clf", "1-0", amount(0, 10)),
        told("trainer-clf", "1-0", amount(10, 10)),
        told("trainer-clf", "1-1", amount(0, 10)),
        told("trainer-clf", "1-1", amount(3, 10)),
    )
    assert last.progress == amount(3, 10)


def test_what_an_engine_repeats_is_not_more_than_all() -> None:
    *_, last = gather(
        told("bulk-inferrer", "1-0", amount(0, 10)),
        told("bulk-inferrer", "2-0", amount(8)),
        told("bulk-inferrer", "3-0", amount(8)),
    )
    assert last.progress is not None
    assert last.progress.done == 10


def test_a_workers_last_word_after_the_end_is_passed_over() -> None:
    heard = gather(Event(State.FINISHED, "pusher"), told("pusher", "2-0", amount(1)))
    assert [event.state for event in heard] == [State.FINISHED]


def test_a_listener_that_fails_is_left_out_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    heard = list[Event]()

    def full_disk(event: Event) -> None:
        raise OSError(event.node)

    with PeakMemory() as memory:
        stream = RunStream("run-1", [full_disk, heard.append], step_of=step_of, memory=memory)
        stream.hear(Event(State.STARTED, "pusher"))
        stream.hear(Event(State.FINISHED, "pusher"))
    assert len(heard) == 2
    assert len(caplog.records) == 1
