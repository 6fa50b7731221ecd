"""python-binance: `AsyncClient.ws_…`, or the blocking `Client.ws_…` with the option `sync`."""

import asyncio

from binance.async_client import AsyncClient
from binance.base_client import BaseClient
from binance.client import Client
from binance.exceptions import BinanceAPIException
from talk import each, talk


def refusal(error):
    return {
        "code": error.code,
        "msg": error.message,
        "status": error.status_code,
        "data": error.response["error"].get("data"),
    }


async def awaited(calls, together, options):
    client = AsyncClient(**options)

    async def ask(name, arguments):
        try:
            return {"ok": await getattr(client, name)(**arguments)}
        except BinanceAPIException as error:
            return {"refused": refusal(error)}

    outcomes = await each(ask, calls, together)
    await client.session.close()
    return outcomes


def blocking(calls):
    client = Client(ping=False)
    outcomes = []
    for name, arguments in calls:
        try:
            outcomes.append({"ok": getattr(client, name)(**arguments)})
        except BinanceAPIException as error:
            outcomes.append({"refused": refusal(error)})
    return outcomes


def converse(url, calls, together, *, sync=False, **options):
    BaseClient.WS_API_URL = url
    return blocking(calls) if sync else asyncio.run(awaited(calls, together, options))


talk(converse)
