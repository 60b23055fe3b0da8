"""A node tells how it ended, with its warnings by kind."""

import logging
import os

import pytest

from belka.errors import InputError
from belka.events.channel import listening
from belka.events.event import Event, State
from belka.events.node import VARIABLE, node_at_work, present_node


def test_a_node_that_ends_well_tells_its_warnings_and_memory() -> None:
    heard = list[Event]()
    with listening(heard.append), node_at_work("pusher"):
        assert present_node() == os.environ[VARIABLE] == "pusher"
        for _ in range(2):
            logging.getLogger("some.library").warning("odd")
    assert present_node() == ""
    assert [event.state for event in heard] == [State.RUNNING, State.FINISHED]
    assert heard[-1].warnings == {"some.library": 2}
    assert heard[-1].memory_bytes > 1_000_000


def test_a_node_that_fails_tells_why() -> None:
    heard = list[Event]()
    with (
        pytest.raises(InputError),
        listening(heard.append),
        node_at_work("pusher"),
    ):
        raise InputError("The file is odd.", received="x.csv")
    assert (heard[-1].state, heard[-1].reason) == (State.FAILED, "The file is odd. x.csv")
