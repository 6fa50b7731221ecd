"""What a download asks again when a read of it fails: how often, and after which pauses.

A read changes nothing, so it may be sent again whenever the way or the server fails. A refusal that
says what is wrong with the request, or that the address is banned, is raised at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from bwsresearch.client.aio import AsyncClient
from bwsresearch.errors import BinanceError, Disconnected, ServerError, Timeout

__all__ = ["Patience", "Retries", "choose", "chosen"]

_QUIET: Final = 0.5
"""A connection on which nothing came for this part of a timeout is not asked again."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How much of failure one read of a download bears before it is raised.

    Attributes:
        pauses: seconds before each further attempt after a broken reply, a 5xx or a lost connection.
        silences: replies that may stay away for a whole timeout each, the last one is raised.
        sleep: how a pause is spent.
    """

    pauses: tuple[float, ...] = (0.25, 1.0, 4.0)
    silences: int = 2
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


_chosen: WeakKeyDictionary[AsyncClient, Retries] = WeakKeyDictionary()


def choose(client: AsyncClient, retries: Retries) -> None:
    """Let the downloads of a client from now on bear so much."""
    _chosen[client] = retries


def chosen(client: AsyncClient) -> Retries:
    """Return what the downloads of a client bear."""
    return _chosen.get(client, _USUAL)


_USUAL: Final = Retries()


@dataclass(slots=True)
class Patience:
    """What is left of it for one read."""

    retries: Retries
    client: AsyncClient
    timeout: float
    _failed: int = field(default=0, init=False)
    _silent: int = field(default=0, init=False)

    async def endure(self, error: BinanceError) -> None:
        """Return when the read may be sent again; raise `error` when it may not."""
        match error:
            case Timeout():
                self._silent += 1
                if self._silent >= self.retries.silences:
                    raise self._named(error)
                self.client.renew(self.timeout * _QUIET)
            case ServerError() | Disconnected() if self._was_there(error):
                self._failed += 1
                if self._failed > len(self.retries.pauses):
                    raise self._named(error)
                await self.retries.sleep(self.retries.pauses[self._failed - 1])
            case _:
                raise error

    def _was_there(self, error: BinanceError) -> bool:
        """Whether the server is known: an address that never answered is wrong, rather than busy."""
        return isinstance(error, ServerError) or bool(self.client.headers)

    def _named(self, error: BinanceError) -> BinanceError:
        """Return `error` with the number of attempts in its hint."""
        attempts = self._failed + self._silent
        if attempts > 1:
            error.hint = "; ".join(filter(None, (f"asked {attempts} times", error.hint)))
        return error
