"""A line holds what an event says, and nothing that is not known."""

import json
from datetime import datetime

import pytest

from belka.events.event import Amount, Event, State, from_line, to_line

AMOUNT = Amount("scoring", 250, 1000, "molecules", 12.5, {"loss": 0.25})


def test_a_line_is_read_as_the_event_it_was() -> None:
    event = Event(State.RUNNING, "trainer-clf", source="1-2", progress=AMOUNT, memory_bytes=5, warnings={"a": 1})
    again = from_line(to_line(event))
    assert again.progress == AMOUNT
    assert (again.node, again.state, again.source, again.warnings) == ("trainer-clf", State.RUNNING, "1-2", {"a": 1})
    assert abs((again.time - event.time).total_seconds()) < 0.001


def test_times_have_a_zone_and_unknown_things_no_place() -> None:
    values = json.loads(to_line(Event(State.STARTED, "pusher")))
    assert values.keys() == {"time", "node", "state"}
    assert datetime.fromisoformat(values["time"]).tzinfo is not None


def test_seconds_left_are_what_is_left_at_this_rate() -> None:
    assert AMOUNT.seconds_left == 750 / 12.5
    assert Amount("x", 5, None, "rows", 1.0).seconds_left is None
    assert Amount("x", 5, 9, "rows").seconds_left is None
    assert Amount("x", 9, 5, "rows", 1.0).seconds_left == 0


def test_no_secret_and_no_escape_sequence_is_in_a_line() -> None:
    line = to_line(Event(State.FAILED, "x", reason="DB_PASSWORD=hunter2 \x1b[31mred"))
    assert "hunter2" not in line
    assert "\\u001b" not in line


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"state": "running"}', '{"state": "odd"}', '{"state":1,"x":2}'])
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        from_line(line)
