"""A client's own record of the orders that it sends to an exchange that keeps none for it.

The same form as the local exchange's journal: `req` before a request leaves, `res` with what came of
it, a lost reply included.
"""

import time
from pathlib import Path
from typing import Any

import msgspec

from bwsresearch.errors import BinanceError
from bwsresearch.exchange.journal import Journal
from bwsresearch.journals.files import JournalFile
from bwsresearch.protocol.request import Request

__all__ = ["ClientJournal"]


class ClientJournal:
    """Records of one client, in a folder of its own; see `client.access.Recorder`."""

    def __init__(self, folder: str | Path) -> None:
        run = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"{time.time_ns() % 10**9:09d}"
        self.file = JournalFile(folder, run)
        self._journal = Journal(self.file.write, self.file.close, model="client")

    def sent(self, request: Request[Any], now_ms: int) -> int:
        """Record a request before it leaves; return its number."""
        body = {"method": request.method, "account": "", "params": request.params()}
        number = self._journal.add("req", now_ms, body)
        self._journal.commit()
        return number

    def answered(self, number: int, answer: bytes | BinanceError, now_ms: int) -> None:
        """Record what came of it."""
        body: dict[str, object] = {"of": number}
        if isinstance(answer, BinanceError):
            body |= {"status": answer.status or 0, "code": answer.code or 0, "msg": str(answer.msg)}
            body["outcome"] = type(answer).__name__
        else:
            body |= {"status": 200, "body": msgspec.Raw(answer)}
        self._journal.add("res", now_ms, body)
        self._journal.commit()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
