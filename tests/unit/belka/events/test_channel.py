"""Events of this process, of children and of worker pools reach whoever listens; nobody listening stops nothing."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from belka.events.channel import VARIABLE, emit, is_listened_to, listening
from belka.events.event import Event, State, from_line

TELL = """
from belka.events.channel import emit
from belka.events.event import Event, State
emit(Event(State.RUNNING, "child"))
"""
WRITE = r"""
import os, socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "\0" + os.environ["BELKA_EVENTS"])
"""


def test_a_child_is_heard_by_the_socket_it_inherits() -> None:
    heard, came = list[Event](), threading.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        came.set()

    with listening(hear):
        subprocess.run([sys.executable, "-c", TELL], check=True)
        assert came.wait(10)
    assert [(event.node, event.state) for event in heard] == [("child", State.RUNNING)]
    assert VARIABLE not in os.environ


FORK = """
import os, threading
from belka.events.channel import emit, listening
from belka.events.event import Event, State
heard, came = [], threading.Event()
def hear(event):
    heard.append(event.node)
    came.set()
with listening(hear):
    child = os.fork()
    if not child:
        emit(Event(State.RUNNING, "forked"))
        os._exit(len(heard))
    came.wait(10)
    print(heard, os.waitpid(child, 0)[1])
"""


def test_a_forked_child_tells_the_one_that_listens_and_not_its_own_copy() -> None:
    shown = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True).stdout
    assert shown == "['forked'] 0\n"


def test_what_is_no_event_is_passed_over() -> None:
    heard, came = list[str](), threading.Event()

    def hear(event: Event) -> None:
        heard.append(event.node)
        came.set()

    with listening(hear):
        subprocess.run([sys.executable, "-c", WRITE], check=True)
        subprocess.run([sys.executable, "-c", TELL], check=True)
        assert came.wait(10)
    assert heard == ["child"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_is_not_heard() -> None:
    heard, came = list[str](), threading.Event()

    def hear(event: Event) -> None:
        heard.append(event.node)
        came.set()

    with listening(hear):
        other = f"import os{TELL.replace('child', 'other')}".replace("emit(Event", "os.setuid(65534)\nemit(Event")
        subprocess.run([sys.executable, "-c", other], check=True)
        subprocess.run([sys.executable, "-c", TELL], check=True)
        assert came.wait(10)
    assert heard == ["child"]


def test_a_listener_hears_its_own_process() -> None:
    heard = list[Event]()
    with listening(heard.append):
        assert is_listened_to()
        emit(Event(State.STARTED, "a"))
    emit(Event(State.STARTED, "after"))
    assert [event.node for event in heard] == ["a"]


def test_a_listener_that_fails_stops_no_work_and_hears_the_next(caplog: pytest.LogCaptureFixture) -> None:
    heard, came = list[str](), threading.Event()

    def hear(event: Event) -> None:
        if event.node == "bad":
            raise LookupError("no such node")
        heard.append(event.node)
        came.set()

    with listening(hear):
        emit(Event(State.RUNNING, "bad"))
        subprocess.run([sys.executable, "-c", TELL.replace("child", "bad")], check=True)
        subprocess.run([sys.executable, "-c", TELL], check=True)
        assert came.wait(10)
    assert heard == ["child"]
    assert len(caplog.records) == 2


def test_where_nobody_listens_an_event_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "belka.events.channel")
    assert not is_listened_to()
    emit(Event(State.FINISHED, "pusher"))
    assert from_line(caplog.messages[0]).node == "pusher"


def test_a_run_that_has_ended_stops_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "belka-nowhere")
    emit(Event(State.RUNNING, "orphan"))
