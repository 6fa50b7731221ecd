"""unicorn-binance-websocket-api: `api.spot.…` of its manager, answers in a callback of the stream.

One call after the other, each waits for its answer with `return_response=True`. That call begins to
wait after it has sent: an answer that is there before goes to the callback of the stream, and the
call never returns. So it is made in a thread, and either way the answer is found in one queue.
"""

import functools
import queue
import threading

from talk import askers, talk
from unicorn_binance_websocket_api import BinanceWebSocketApiManager

NOBODY = {"api_key": "k" * 64, "api_secret": "s" * 64}  # it opens no stream without a key


def converse(url, calls, together, *, keys=None):
    replies = queue.Queue()
    manager = BinanceWebSocketApiManager(
        websocket_api_base_uri=url, warn_on_update=False, output_default="dict"
    )
    streams = {}
    for who in askers(calls):
        key = (keys or {}).get(who, NOBODY)
        streams[who] = manager.create_stream(api=True, process_stream_data=replies.put, **key)
        manager.wait_till_stream_has_started(streams[who])
    found = {}
    for number, (who, name, arguments) in enumerate(calls):
        call = functools.partial(
            getattr(manager.api.spot, name),
            request_id=f"call-{number:05d}",
            stream_id=streams[who],
            **arguments,
        )
        if together:
            call()
        else:
            threading.Thread(target=wait, args=(call, replies), daemon=True).start()
            reply = replies.get(timeout=30)
            found[reply["id"] or call.keywords["request_id"]] = reply
    while len(found) < len(calls):
        reply = replies.get(timeout=30)
        found[reply["id"]] = reply
    manager.stop_manager()
    return [outcome(found[f"call-{number:05d}"]) for number in range(len(calls))]


def wait(call, replies):
    try:
        reply = call(return_response=True)
    except Exception as error:
        reply = {"id": None, "broken": f"{type(error).__name__}: {error}"}
    replies.put(reply[1] if isinstance(reply, tuple) else reply)  # of an order, after its client id


def outcome(reply):
    if "broken" in reply:
        return {"broken": reply["broken"]}
    limits = reply.get("rateLimits")
    if reply["status"] == 200:
        return {"ok": reply["result"], "rateLimits": limits}
    return {"refused": {**reply["error"], "status": reply["status"]}, "rateLimits": limits}


talk(converse)
