"""Callers that wait are asked for together, each gets its own results, and none is left waiting."""

import asyncio
from collections.abc import Sequence

import pytest

from belka.serving.gather import Gatherer

BAD = -1


class Asked:
    """Answers each number with its double, one question after another when `go` is set; keeps the questions."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.questions.append(list(items))
        await self.go.wait()
        if BAD in items:
            raise ValueError("bad")
        return [2 * item for item in items]


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def come(gather: Gatherer[int, int], items: list[int]) -> asyncio.Task[list[int]]:
    """A caller, after those before have been seen to."""
    task = asyncio.create_task(gather(items))
    await settle()
    return task


def test_what_waits_is_asked_for_together_and_everyone_gets_its_own() -> None:
    async def run() -> None:
        asked = Asked()
        gather = Gatherer(asked, most=4, at_once=2)
        callers = [await come(gather, items) for items in ([1], [2], [3, 4], [5], [6, 7], [8] * 9)]
        assert asked.questions == [[1], [2]], "nobody waits for company"
        asked.go.set()
        assert await asyncio.gather(*callers) == [[2], [4], [6, 8], [10], [12, 14], [16] * 9]
        assert asked.questions[2:] == [[3, 4, 5], [6, 7], [8] * 9]
        assert await gather([9]) == [18], "a worker that has left is replaced"

    asyncio.run(run())


def test_an_error_is_told_to_those_whom_it_concerns() -> None:
    async def run() -> None:
        asked = Asked()
        gather = Gatherer(asked, most=2, at_once=1)
        callers = [await come(gather, [item]) for item in (1, BAD, 2, 3)]
        asked.go.set()
        found = await asyncio.gather(*callers, return_exceptions=True)
        assert (found[0], found[3]) == ([2], [6])
        assert [str(error) for error in found[1:3]] == ["bad", "bad"]

    asyncio.run(run())


def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    async def run() -> None:
        asked = Asked()
        gather = Gatherer(asked, most=4, at_once=1)
        callers = [await come(gather, [item]) for item in (1, 2, 3)]
        callers[1].cancel()
        asked.go.set()
        assert (await callers[0], await callers[2]) == ([2], [6])
        with pytest.raises(asyncio.CancelledError):
            await callers[1]

    asyncio.run(run())


def test_a_caller_that_comes_when_the_last_worker_leaves_is_answered() -> None:
    """The first caller asks again as soon as it has its answer, before anything else can run."""

    async def run() -> None:
        asked = Asked()
        asked.go.set()
        gather = Gatherer(asked, most=4, at_once=1)

        async def again(times: int) -> int:
            return sum([(await gather([item]))[0] for item in range(times)])

        found = await asyncio.wait_for(asyncio.gather(*(again(50) for _ in range(5))), 30)
        assert found == [2 * sum(range(50))] * 5

    asyncio.run(run())
