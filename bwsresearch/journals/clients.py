"""A client's own record of the orders that it sends to an exchange that keeps none for it.

The same form as the local exchange's journal: `req` before a request leaves, `res` with what came of
it, a lost reply included. Clients of one process may share a folder.
"""

import os
import threading
import time
import warnings
import weakref
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from bwsresearch.errors import BinanceError
from bwsresearch.exchange.journal import Journal
from bwsresearch.journals.files import JournalError, taken_up
from bwsresearch.protocol.request import Request

__all__ = ["ClientJournal"]


class ClientJournal:
    """Records of the clients of this process in one folder; see `client.access.Recorder`.

    Raises:
        JournalError: when another process writes there, or it cannot be read or written.
    """

    def __init__(self, folder: str | Path) -> None:
        file, past = taken_up(folder)
        self.folder = file.folder
        self._journal = Journal(file.write)
        if past:
            self._journal.seq = past[-1]["seq"]
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, file.close)

    @classmethod
    def of(cls, folder: str | Path) -> Self:
        """Return the journal of a folder: the one that this process writes already, or a new one."""
        name = os.getpid(), os.path.realpath(Path(folder).expanduser())
        with _opening:
            found = _open.get(name)
            if found is None:
                found = _open[name] = cls(folder)
            assert isinstance(found, cls)  # noqa: S101 - there is one class
            return found

    def sent(self, request: Request[Any], now_ms: int) -> int:
        """Record a request before it leaves; return its number.

        Raises:
            JournalError: when it cannot be recorded; it must not leave then.
        """
        body = {
            "method": request.method,
            "account": "",
            "params": request.params(),
            "recv_ns": time.monotonic_ns(),
        }
        with self._lock:
            number = self._journal.add("req", now_ms, body)
            self._journal.commit()
        return number

    def answered(self, number: int, answer: bytes | BaseException, now_ms: int) -> None:
        """Record what came of it: the result's JSON, or why there is none.

        When that cannot be recorded it is a warning: the order is sent, and the answer is needed.
        """
        body: dict[str, object] = {"of": number, "done_ns": time.monotonic_ns()}
        if isinstance(answer, bytes):
            body |= {"status": 200, "body": msgspec.Raw(answer)}
        else:
            body |= _failure(answer)
        try:
            with self._lock:
                self._journal.add("res", now_ms, body)
                self._journal.commit()
        except JournalError as error:
            warnings.warn(f"an answer is not recorded: {error}", RuntimeWarning, stacklevel=2)

    def close(self) -> None:
        """Close the file; nothing can be recorded after that."""
        with _opening:
            for name in [name for name, one in _open.items() if one is self]:
                del _open[name]
        self._end()


def _failure(error: BaseException) -> dict[str, object]:
    """Return a failure as it is recorded: of what is no answer of the exchange the name alone."""
    name = type(error).__name__
    if not isinstance(error, BinanceError):
        return {"status": 0, "code": 0, "msg": "", "outcome": name}
    body: dict[str, object] = {"status": error.status or 0, "code": error.code or 0}
    body |= {"msg": str(error.msg), "outcome": name}
    return body if error.data is None else body | {"data": error.data}


_open: Final[weakref.WeakValueDictionary[tuple[int, str], ClientJournal]] = (
    weakref.WeakValueDictionary()
)
_opening: Final = threading.Lock()
