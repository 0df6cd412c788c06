"""Stand-ins for Ray's side of the seam: handles whose methods are plain coroutines, and a clock that jumps."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

T = TypeVar("T")


def handle(**methods: Any) -> Any:
    """A deployment handle of one replica with these methods; as Ray's, `handle.NAME.remote(...)` begins at once."""
    return replicated(methods)


def replicated(*replicas: dict[str, Any]) -> Any:
    """A deployment handle; `remote` asks the first of its replicas, `broadcast` all of them."""
    named = {name: SimpleNamespace(remote=_begun(method)) for name, method in replicas[0].items()}
    return SimpleNamespace(**named, broadcast=lambda name: _Broadcast([replica[name] for replica in replicas]))


class _Broadcast:
    def __init__(self, methods: list[Callable[[], Coroutine[Any, Any, Any]]]) -> None:
        self._methods = methods

    async def results_async(self, *, timeout_s: float, return_exceptions: bool) -> list[Any]:
        asked = asyncio.gather(*(method() for method in self._methods), return_exceptions=return_exceptions)
        return await asyncio.wait_for(asked, timeout_s)


def _begun(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., asyncio.Future[Any]]:
    return lambda *args, **options: asyncio.ensure_future(method(*args, **options))


class _Jumping(selectors.SelectSelector):
    """A selector that does not wait for a timer but says how much later it is."""

    ahead_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or super().select(timeout)
        self.ahead_s += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumps = _Jumping()
        super().__init__(self._jumps)

    def time(self) -> float:
        return super().time() + self._jumps.ahead_s


def run_at_once(scenario: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a loop where every timer is due as soon as nothing else is: ten minutes pass in no time."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(scenario)
