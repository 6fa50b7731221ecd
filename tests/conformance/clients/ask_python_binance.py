"""python-binance: `AsyncClient.ws_…`, or the blocking `Client.ws_…` with the option `sync`."""

import asyncio

from binance.async_client import AsyncClient
from binance.base_client import BaseClient
from binance.client import Client
from binance.exceptions import BinanceAPIException
from talk import askers, each, talk


def refusal(error):
    return {
        "code": error.code,
        "msg": error.message,
        "status": error.status_code,
        "data": error.response["error"].get("data"),
    }


async def awaited(calls, together, keys, options):
    clients = {who: AsyncClient(**keys.get(who, {}), **options) for who in askers(calls)}

    async def ask(who, name, arguments):
        try:
            return {"ok": await getattr(clients[who], name)(**arguments)}
        except BinanceAPIException as error:
            return {"refused": refusal(error)}

    outcomes = await each(ask, calls, together)
    for client in clients.values():
        await client.session.close()
    return outcomes


def blocking(calls, keys):
    clients = {who: Client(ping=False, **keys.get(who, {})) for who in askers(calls)}
    outcomes = []
    for who, name, arguments in calls:
        try:
            outcomes.append({"ok": getattr(clients[who], name)(**arguments)})
        except BinanceAPIException as error:
            outcomes.append({"refused": refusal(error)})
    return outcomes


def converse(url, calls, together, *, keys=None, sync=False, **options):
    BaseClient.WS_API_URL = url
    keys = keys or {}
    if sync:
        return blocking(calls, keys)
    return asyncio.run(awaited(calls, together, keys, options))


talk(converse)
