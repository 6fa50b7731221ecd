"""ccxt.pro: the unified calls over the WebSocket API, after it has read the markets there."""

import asyncio

import ccxt.pro as ccxt
from talk import askers, each, talk


async def made(url, key):
    """Return a ccxt exchange that knows the markets without a request to the REST API."""
    exchange = ccxt.binance(
        {
            "enableRateLimit": False,
            "options": {
                "defaultType": "spot",
                "crossMarginPairsData": [],
                "isolatedMarginPairsData": [],
            },
            **key,
        }
    )
    exchange.urls["api"]["ws"]["ws-api"]["spot"] = url
    subscription = {"method": lambda client, message: client.resolve(message["result"], "info")}
    asked = {"id": "info", "method": "exchangeInfo", "params": {}}
    info = await exchange.watch(url, "info", asked, "info", subscription)
    exchange.set_markets([exchange.parse_market(one) for one in info["symbols"]])
    return exchange


async def asked(url, calls, together, keys):
    exchanges = {who: await made(url, keys.get(who, {})) for who in askers(calls)}

    async def ask(who, name, arguments):
        try:
            found = getattr(exchanges[who], name)
            return {"ok": await found(**arguments) if callable(found) else found}
        except ccxt.BaseError as error:
            return {"refused": {"kind": type(error).__name__, "msg": str(error)}}

    outcomes = await each(ask, calls, together)
    for exchange in exchanges.values():
        await exchange.close()
    return outcomes


def converse(url, calls, together, *, keys=None):
    return asyncio.run(asked(url, calls, together, keys or {}))


talk(converse)
