"""The file has every state, the end of every part, and few lines between."""

from pathlib import Path

from belka.events.event import Amount, Event, State, from_line
from pipeline.events.event_file import EventFile, Spaced


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def event(done: int, total: int | None = 100) -> Event:
    return Event(State.RUNNING, "pusher", progress=Amount("x", done, total, "rows"))


def test_progress_is_kept_once_in_a_while_and_at_its_end() -> None:
    clock = Clock()
    spaced = Spaced(10, ends=True, clock=clock)
    assert spaced.keeps(Event(State.STARTED, "pusher"))
    clock.now = 9
    assert not spaced.keeps(event(9))
    clock.now = 10
    assert spaced.keeps(event(10))
    assert not spaced.keeps(event(11))
    assert spaced.keeps(event(100))
    assert not spaced.keeps(event(100))
    assert spaced.keeps(Event(State.FINISHED, "pusher"))


def test_without_ends_a_short_part_leaves_no_line() -> None:
    spaced = Spaced(30, clock=Clock())
    assert not spaced.keeps(event(0))
    assert not spaced.keeps(event(100))


def test_lines_are_whole_when_they_are_written(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "x.events.jsonl")
    file(Event(State.STARTED, "pusher", run="r"))
    lines = (tmp_path / "x.events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [from_line(line).run for line in lines] == ["r"]
    file.close()
