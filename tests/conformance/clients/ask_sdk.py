"""binance-sdk-spot: `Spot(config_ws_api=…).websocket_api`, answers as its own strict models.

Each answer is told twice: as it came, and as its model sees it, with the fields that no model knows.
A call "model NAME" asks nothing, and tells what that model makes of `value`.
"""

import asyncio
import inspect
import logging

from binance_common.configuration import ConfigurationWebSocketAPI
from binance_common.constants import TimeUnit
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api import models
from binance_sdk_spot.websocket_api.models import ExchangeInfoResponse, MyFiltersResponse
from pydantic import BaseModel
from talk import askers, each, talk

logging.disable(logging.CRITICAL)

# Read one level too high by the client: see the fields of these models.
READ_TOO_HIGH = {"exchange_info": ExchangeInfoResponse, "my_filters": MyFiltersResponse}


def unknown(model):
    """Return the names that a model, or one within it, did not expect."""
    if isinstance(model, BaseModel):
        names = list(getattr(model, "additional_properties", None) or {})
        return names + [n for _, value in model if value is not model for n in unknown(value)]
    if isinstance(model, list):
        return [name for one in model for name in unknown(one)]
    return []


def outcome(name, response):
    data = response.data()
    if isinstance(data, dict):
        return {"refused": data["error"]}
    reply = inspect.getclosurevars(response._data_function).nonlocals["ws_response"]
    data = getattr(data, "actual_instance", None) or data
    value = reply["result"]
    if name in READ_TOO_HIGH:
        result = READ_TOO_HIGH[name].from_dict(value)
        seen = result.to_dict()
    elif name.endswith("klines"):  # its to_dict() expects objects where there are numbers
        result = data
        seen = data.result
    else:
        result = type(data).from_dict(
            reply
        )  # unlike what it uses itself, this keeps what it ignores
        seen = data.to_dict().get("result", {})
    limits = [one.model_dump() for one in response.rate_limits]
    names = unknown(getattr(result, "result", result))
    return {"ok": value, "seen": seen, "unknown": names, "rateLimits": limits}


async def connected(url, key, options):
    configuration = ConfigurationWebSocketAPI(stream_url=url, **key, **options)
    api = Spot(config_ws_api=configuration).websocket_api
    await api.create_connection()
    return api


async def asked(url, calls, together, keys, options):
    if unit := options.get("time_unit"):
        options["time_unit"] = TimeUnit(unit)
    apis = {who: await connected(url, keys.get(who, {}), options) for who in askers(calls)}

    async def ask(who, name, arguments):
        if name.startswith("model "):
            model = getattr(models, name.removeprefix("model ")).from_dict(arguments["value"])
            return {"ok": model.to_dict(), "unknown": unknown(model)}
        return outcome(name, await getattr(apis[who], name)(**arguments))

    outcomes = await each(ask, calls, together)
    for api in apis.values():
        await api.close_connection()
    return outcomes


def converse(url, calls, together, *, keys=None, **options):
    return asyncio.run(asked(url, calls, together, keys or {}, options))


talk(converse)
