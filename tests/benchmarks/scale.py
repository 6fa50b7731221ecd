"""Downloads at the limit: years, many symbols, the whole weight budget, two processes at once.

    python tests/benchmarks/scale.py year [--latency-ms 50] [--repeat 5]
    python tests/benchmarks/scale.py symbols [--latency-ms 50] [--repeat 5]
    python tests/benchmarks/scale.py budget [--processes 2] [--minutes 3]
    python tests/benchmarks/scale.py cached [--repeat 9]

`year` pulls 525,600 bars of one symbol, `symbols` the same number of pages over one and over ten.
`budget` pulls under the exchange's own limit of 6000 a minute and tells, as the server has counted it,
what was used of each whole minute and what was refused; it takes as many minutes as it says.
`cached` reads a year, a day of it and five years from the cache. The exchange is a process of its own.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pull import MINUTE_MS, YEAR, columns, measured

DAY = 1440
START_MS = 1_577_836_800_000  # 2020-01-01: five years of it are over
NAMES = [
    f"{name}USDT"
    for name in ["BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "TRX", "LTC", "LINK"]
]


def serve(latency_ms: float, weight: int, years: int) -> None:
    """Be the exchange until the standard input ends; then tell what each minute was charged."""
    from bwsresearch import server
    from bwsresearch.client.sync import Client
    from bwsresearch.exchange.config import Config, Limits
    from bwsresearch.exchange.gateway import Gateway
    from bwsresearch.exchange.recorded import RecordedMarket, Recording
    from bwsresearch.local import LocalEndpoint, live_clock

    used, refused = Counter(), Counter()

    class Counted(Gateway):
        def handle(self, call, session, address, now_ms):
            answer = super().handle(call, session, address, now_ms)
            minute = now_ms // MINUTE_MS
            used[minute] = max(used[minute], self._address(address).weight.count(now_ms))
            refused[minute] += b'"status":429' in answer.text[:200]
            return answer

    recording = Recording({"1m": columns(years * YEAR, start_ms=START_MS)})
    market = RecordedMarket(dict.fromkeys(NAMES, recording))
    gateway = Counted(market, Config(Limits(weight_per_minute=weight, connections_5m=10**6)))

    # The first page of a symbol takes long, as all of it is written out then.
    warm = Client(LocalEndpoint(Gateway(market), live_clock))
    for name in NAMES:
        warm.klines(name, "1m", start_time=START_MS, limit=1)

    async def main() -> None:
        async with server.serve(gateway, clock=live_clock, latency_ms=latency_ms) as running:
            print(running.url, flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())
    print(json.dumps({"used": used, "refused": refused}))


@contextlib.contextmanager
def exchange(latency_ms, *, weight=10**9, years=1):
    """Start the exchange; yields its address, and where its account of the minutes will be."""
    command = [sys.executable, __file__, "serve", "--latency-ms", str(latency_ms)]
    command += ["--weight", str(weight), "--years", str(years)]
    told = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        os.environ |= {"BWS_CACHE_DIR": f"{folder}/cache", "BWS_STATE_DIR": f"{folder}/state"}
        yield process.stdout.readline().strip(), told
        process.stdin.close()
        told |= json.loads(process.stdout.read())


def year(given) -> None:
    import bwsresearch as bws

    with exchange(given.latency_ms) as (url, _):
        bws.connect(url)
        end = START_MS + YEAR * MINUTE_MS

        def fresh():
            bws.cache.clear()
            return bws.klines("BTCUSDT", "1m", start=START_MS, end=end, progress=False)

        print(f"a year of 1m, {given.latency_ms:g} ms a reply  {measured(fresh, given.repeat)}")

        def filled():
            bws.cache.clear()
            return bws.pull("BTCUSDT", "1m", start=START_MS, end=end, progress=False)

        print(f"the same, into the cache alone  {measured(filled, given.repeat)}")
        bws.connect(url).close()


def symbols(given) -> None:
    import bwsresearch as bws

    with exchange(given.latency_ms) as (url, _):
        bws.connect(url)
        for names, bars in ((NAMES[:1], 200_000), (NAMES, 20_000)):
            end = START_MS + bars * MINUTE_MS

            def fresh(names=names, end=end):
                bws.cache.clear()
                return bws.klines(names, "1m", start=START_MS, end=end, progress=False)

            text = f"200 pages of {len(names)} symbols, {given.latency_ms:g} ms a reply"
            print(f"{text}  {measured(fresh, given.repeat)}")
        bws.connect(url).close()


def puller(url: str, names: list[str], bars: int) -> None:
    """Pull in this process, into a cache that is its own."""
    import bwsresearch as bws

    os.environ["BWS_CACHE_DIR"] += f"-{names[0]}"
    with bws.connect(url) as client:
        end = START_MS + bars * MINUTE_MS
        bws.pull(names, "1m", start=START_MS, end=end, progress=False, client=client)


def budget(given) -> None:
    # A page of 1000 bars weighs 2: so many fill the whole minutes asked for, and some at both ends.
    pages = 3000 * (given.minutes + 1)
    bars = min(3 * YEAR, pages // len(NAMES) * 1000)
    share = len(NAMES) // given.processes
    with exchange(given.latency_ms, weight=6000, years=3) as (url, told):
        parts = [NAMES[at * share : (at + 1) * share] for at in range(given.processes)]
        children = [
            subprocess.Popen(
                [
                    sys.executable,
                    __file__,
                    "puller",
                    "--url",
                    url,
                    "--bars",
                    str(bars),
                    "--names",
                    *part,
                ]
            )
            for part in parts
        ]
        assert [child.wait() for child in children] == [0] * given.processes
    minutes = sorted(told["used"].items())
    for minute, weight in minutes:
        print(f"minute {minute}: {weight} used of 6000, {told['refused'][minute]} refused")
    whole = [weight for _, weight in minutes[1:-1]]
    print(
        f"{given.processes} processes, {len(whole)} whole minutes: "
        f"{statistics.mean(whole) / 60:.1f} % used, least {min(whole) / 60:.1f} %, "
        f"{sum(told['refused'].values())} refused"
    )


def cached(given) -> None:
    import bwsresearch as bws

    with exchange(0.0, years=5) as (url, _):
        client = bws.connect(url)
        spans = {"five years": (0, 5 * YEAR), "a year": (0, YEAR), "a day": (100 * DAY, 101 * DAY)}
        bws.pull("BTCUSDT", "1m", start=START_MS, end=START_MS + 5 * YEAR * MINUTE_MS)
        client.close()
        for name, (first, after) in spans.items():

            def read(first=first, after=after):
                span = {"start": START_MS + first * MINUTE_MS, "end": START_MS + after * MINUTE_MS}
                df = bws.klines("BTCUSDT", "1m", **span)
                assert df.attrs["source"] == "cache"
                assert len(df) == after - first

            print(f"{name} of 1m from the cache  {measured(read, given.repeat)}")
        print(f"files of five years: {bws.cache.info()['mb'].sum():.1f} MB")
        client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["year", "symbols", "budget", "cached", "serve", "puller"])
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=3)
    for hidden, kind in (("--weight", int), ("--years", int), ("--bars", int), ("--url", str)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--names", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    match given.what:
        case "serve":
            serve(given.latency_ms, given.weight, given.years)
        case "puller":
            puller(given.url, given.names, given.bars)
        case what:
            {"year": year, "symbols": symbols, "budget": budget, "cached": cached}[what](given)


if __name__ == "__main__":
    main()
