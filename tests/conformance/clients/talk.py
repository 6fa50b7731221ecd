"""What the scripts of this folder share. They run with the interpreter that has the foreign clients.

A script reads rounds of calls from stdin, one JSON text a line, and writes a line for each with what
every call came to. In goes {"url": …, "calls": [[who, name, arguments], …], "together": bool,
"options": {…}}; out comes [{"ok": result}, {"refused": error} or {"broken": what the client did not
understand}, …], or {"failed": …} when the client could not be used at all. Among the options are:
`keys`, what each `who` signs with; `now`, where the client's own clock stands still (epoch ms).
Nothing but loopback can be reached.
"""

import asyncio
import json
import os
import sys
import time
import traceback

_HERE = ("127.0.0.1", "::1", "localhost", None)


class _Clock:
    """`time.time` and `time.time_ns`, which clients look up for each timestamp: they can be stopped."""

    def __init__(self):
        self._time, self._time_ns, self.stands_at_ms = time.time, time.time_ns, None
        time.time, time.time_ns = self.time, self.time_ns

    def time(self):
        stands = self.stands_at_ms
        return (
            self._time() if stands is None else (stands + 0.5) / 1000
        )  # int(1000 * …) is it again

    def time_ns(self):
        return self._time_ns() if self.stands_at_ms is None else self.stands_at_ms * 1_000_000


_clock = _Clock()


def _loopback_only(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in _HERE:
        raise PermissionError(f"{host} is not this machine")


def talk(converse):
    """Answer the rounds on stdin with `converse(url, calls, together, **options)`."""
    sys.addaudithook(_loopback_only)
    told, sys.stdout = sys.stdout, sys.stderr  # what clients print is no answer
    for line in sys.stdin:
        json.dump(_outcomes(converse, **json.loads(line)), told)
        told.write("\n")
        told.flush()
    os._exit(0)  # some clients take ten seconds to say good-bye


def _outcomes(converse, url, calls, together, options):
    _clock.stands_at_ms = options.pop("now", None)
    try:
        return converse(url, calls, together, **options)
    except Exception:
        return {"failed": traceback.format_exc()}


async def each(ask, calls, together):
    """Return the outcomes of `ask(who, name, arguments)`, one after the other or all at once."""

    async def outcome(call):
        try:
            return await ask(*call)
        except Exception as error:
            return {"broken": f"{type(error).__name__}: {error}"[:500]}

    if together:
        return await asyncio.gather(*map(outcome, calls))
    return [await outcome(call) for call in calls]


def askers(calls):
    """Return everybody who asks, each once; None asks without a key."""
    return list(dict.fromkeys(who for who, _, _ in calls))
