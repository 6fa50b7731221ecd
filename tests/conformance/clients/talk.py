"""What the scripts of this folder share. They run with the interpreter that has the foreign clients.

A script reads rounds of calls from stdin and writes what each call came to:
{name: {"url": …, "calls": [[name, arguments], …], "together": bool, "options": {…}}} in, and
{name: [{"ok": result}, {"refused": error} or {"broken": what the client did not understand}, …]}
out. Nothing but loopback can be reached.
"""

import asyncio
import json
import os
import sys

_HERE = ("127.0.0.1", "::1", "localhost", None)


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
    rounds = json.load(sys.stdin)
    told, sys.stdout = sys.stdout, sys.stderr  # what clients print is no answer
    outcomes = {
        name: converse(one["url"], one["calls"], one["together"], **one["options"])
        for name, one in rounds.items()
    }
    json.dump(outcomes, told)
    told.flush()
    os._exit(0)  # some clients take ten seconds to say good-bye


async def each(ask, calls, together):
    """Return the outcomes of `ask(name, arguments)`, one call after the other or all at once."""

    async def outcome(name, arguments):
        try:
            return await ask(name, arguments)
        except Exception as error:
            return {"broken": f"{type(error).__name__}: {error}"[:500]}

    if together:
        return await asyncio.gather(*(outcome(name, arguments) for name, arguments in calls))
    return [await outcome(name, arguments) for name, arguments in calls]
