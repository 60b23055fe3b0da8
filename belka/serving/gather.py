"""Ask for several callers at once what costs little more than asking for one of them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gatherer(Generic[Item, Result]):
    """Joins what waits while earlier questions are answered; nobody waits for company.

    Args:
        ask: Answers one question of any number of items with a result for each, in their order.
        most: Items of one question; a caller that brings more is alone in one.
        at_once: Questions under way at once, at least 1.
    """

    def __init__(
        self, ask: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int, at_once: int = 2
    ) -> None:
        self._ask, self._most, self._at_once = ask, most, at_once
        self._waiting: deque[tuple[Sequence[Item], asyncio.Future[list[Result]]]] = deque()
        self._at_work = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks by weak references only

    async def __call__(self, items: Sequence[Item]) -> list[Result]:
        """The results of a caller's items, in their order.

        Raises:
            Exception: Whatever `ask` raised of the question that they were part of.
        """
        results: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, results))
        if self._at_work < self._at_once:
            self._at_work += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await results

    async def _work(self) -> None:
        # Nothing is awaited between the last look at the queue and the count: no caller finds a worker that is leaving.
        while self._waiting:
            callers = [self._waiting.popleft()]
            size = len(callers[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= self._most:
                callers.append(self._waiting.popleft())
                size += len(callers[-1][0])
            await self._answer(callers)
        self._at_work -= 1

    async def _answer(self, callers: Sequence[tuple[Sequence[Item], "asyncio.Future[list[Result]]"]]) -> None:
        try:
            found = await self._ask([item for items, _ in callers for item in items])
        except Exception as error:  # noqa: BLE001 - it is the callers', each of whom gets it
            for _, results in callers:
                if not results.done():
                    results.set_exception(error)
            return
        start = 0
        for items, results in callers:
            if not results.done():  # a caller that has left is not told
                results.set_result(list(found[start : start + len(items)]))
            start += len(items)
