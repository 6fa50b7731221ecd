"""How long other clients take for the same bars, beside ours and one after the other.

    python tests/benchmarks/peers.py --python OTHER/bin/python [--bars 100000] [--latency-ms 50]
        [--repeat 5] [--only WORD] [--into FOLDER]

OTHER is an environment with the extra `conformance`. The exchange is a process of its own: a recorded
market with the weight limit raised, which answers each request after the latency, on its socket and,
for clients that page over REST, on a stub of that. Each client is used in its own natural way; all of
them end with a DataFrame of numbers. Prints a table, and leaves it with a plot in the folder.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, str(Path(__file__).parent))
from peer_clients.pull import CLIENTS
from pull import YEAR, columns

CLIENT = Path(__file__).parent / "peer_clients" / "pull.py"
SLOW = {"python-binance get_historical_klines": 1, "ccxt fetch_ohlcv_ws": 2}
"""Clients that pause on purpose: repetitions at most."""


def stub(gateway, clock, latency_ms):
    """Answer REST requests for klines and exchangeInfo as the exchange would."""
    from bwsresearch.client.sync import Client
    from bwsresearch.local import LocalEndpoint
    from bwsresearch.protocol.methods import ExchangeInfo, Klines

    client = Client(LocalEndpoint(gateway, clock))

    def answered(path, query):
        if path.endswith("/klines"):
            asked = {k: int(query[k]) for k in ("startTime", "endTime", "limit") if k in query}
            return client.raw(
                Klines(
                    query["symbol"], query["interval"], start_time=asked.get("startTime"),
                    end_time=asked.get("endTime"), limit=asked.get("limit"),
                )
            )  # fmt: skip
        if path.endswith("/exchangeInfo"):
            return client.raw(ExchangeInfo())
        return b'{"serverTime":%d}' % clock() if path.endswith("/time") else b"{}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            due = time.monotonic() + latency_ms / 1000
            parts = urlsplit(self.path)
            body = answered(parts.path, dict(parse_qsl(parts.query)))
            time.sleep(max(0.0, due - time.monotonic()))
            self.send_response(200)
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            del words

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{listener.server_port}"


def serve(latency_ms: float) -> None:
    """Be the exchange, until the standard input ends."""
    from bwsresearch import server
    from bwsresearch.exchange.config import Config, Limits
    from bwsresearch.exchange.gateway import Gateway
    from bwsresearch.exchange.recorded import RecordedMarket, Recording
    from bwsresearch.local import live_clock

    market = RecordedMarket({"BTCUSDT": Recording({"1m": columns(YEAR)})})
    gateway = Gateway(market, Config(Limits(weight_per_minute=10**9, connections_5m=10**6)))

    async def main() -> None:
        async with server.serve(gateway, clock=live_clock, latency_ms=latency_ms) as running:
            print(running.url, stub(gateway, live_clock, latency_ms), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


def told(python, name, urls, bars, repeat):
    """Return what one client tells of its pulls, None when it fails."""
    command = [python, str(CLIENT), name, *urls, str(bars), str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        print(f"{name} failed: {done.stderr[-600:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def table(found) -> str:
    """Return the figures as a table, the quickest first."""
    ours = statistics.median(found["bwsresearch"]["wall"])
    lines = [
        "| client | median s | least s | CPU s | times ours | n |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in sorted(found.items(), key=lambda item: statistics.median(item[1]["wall"])):
        wall, cpu = statistics.median(one["wall"]), statistics.median(one["cpu"])
        lines.append(
            f"| {name} | {wall:.2f} | {min(one['wall']):.2f} | {cpu:.2f} | {wall / ours:.1f} "
            f"| {len(one['wall'])} |"
        )
    return "\n".join(lines)


def plot(found, title, path):
    """Draw the medians on a logarithmic axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    ax = figure.add_subplot()
    ranked = sorted(found.items(), key=lambda item: -statistics.median(item[1]["wall"]))
    names = [name for name, _ in ranked]
    walls = [statistics.median(one["wall"]) for _, one in ranked]
    tints = ["#3b82f6" if name == "bwsresearch" else "#8a8f98" for name in names]
    bars = ax.barh(names, walls, color=tints)
    ax.bar_label(bars, [f"{wall:.2f} s" for wall in walls], padding=4, fontsize=9)
    ax.set_xscale("log")
    ax.set_xlim(0.1, max(walls) * 2)
    ax.set_xlabel("seconds (logarithmic)")
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="of the environment that has the other clients")
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="part of the clients' names")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency_ms)
        return
    command = [sys.executable, __file__, "--serve", "--latency-ms", str(given.latency_ms)]
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as exchange,
    ):
        os.environ |= {"BWS_CACHE_DIR": f"{folder}/cache", "BWS_STATE_DIR": f"{folder}/state"}
        urls = exchange.stdout.readline().split()
        for name in CLIENTS:
            if given.only in name or name == "bwsresearch":
                python = sys.executable if name == "bwsresearch" else given.python
                repeat = min(given.repeat, SLOW.get(name, given.repeat))
                one = told(python, name, urls, given.bars, repeat)
                if one is not None:
                    found[name] = one
        exchange.stdin.close()
    sums = {one["sum"][0] for one in found.values()}
    assert len(sums) == 1, {name: one["sum"] for name, one in found.items()}
    title = f"{given.bars:,} 1m klines as a DataFrame, {given.latency_ms:g} ms a reply"
    print(title, table(found), sep="\n\n")
    if given.into:
        given.into.mkdir(parents=True, exist_ok=True)
        (given.into / "peers.md").write_text(f"{title}\n\n{table(found)}\n")
        plot(found, title, given.into / "peers.png")


if __name__ == "__main__":
    main()
