"""How long the local exchange takes for an answer, from the request's parameters to its JSON text.

    python tests/benchmarks/exchange.py [--repeat 31] [--seed 1]

Synthetic pages are cold: a new market object for each, a symbol and a time that are drawn at random, so
that nothing but Python's imports and NumPy's first call is warm (one page before the clock starts).
Recorded pages are cut from rows that the first request of an interval renders; that one is listed apart.
Prints medians and the least of wall clock, and the median of the process's CPU time, which other
processes disturb less.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

import numpy as np

from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Ids, Market, Window
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.protocol.session import ServerSession
from bwsresearch.times import DAY_MS

NOW_MS = 1_780_000_000_123  # 2026-05-28
LISTED_MS = 1_597_104_000_000  # 2020-08-11, the day of the last symbol
MINUTE_MS = 60_000
BARS = 525_600
LIMITS_MS = {interval: 4.0 if interval == "1m" else 25.0 for interval in INTERVALS}


def measured(
    prepared: Callable[[], Callable[[], object]], repeat: int
) -> tuple[float, float, float]:
    """Return median and least wall clock and median CPU time in ms of calls that `prepared` returns."""
    wall, cpu = [], []
    for _ in range(repeat):
        call = prepared()
        begin, cpu_begin = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - cpu_begin)
    return statistics.median(wall) * 1e3, min(wall) * 1e3, statistics.median(cpu) * 1e3


def line(name: str, figures: tuple[float, float, float], limit: float | None = None) -> None:
    """Print a row of the table."""
    median, least, cpu = figures
    bound = f"{limit:8.1f}" if limit else ""
    print(f"{name:34s}{median:10.3f}{least:10.3f}{cpu:10.3f}{bound}")


def synthetic(draw: random.Random, interval: str, shift: int = 0) -> Callable[[], bytes]:
    """Return a question for a page of 1000 at a random time to a market that was never asked."""
    market = SyntheticMarket()
    symbol = draw.choice(list(market.symbols))
    start = draw.randrange(LISTED_MS, NOW_MS - 1000 * MINUTE_MS)
    long = interval in (
        "6h",
        "8h",
        "12h",
        "1d",
        "3d",
        "1w",
        "1M",
    )  # fewer than 1000 begin at random
    window = Window(None, NOW_MS, 1000) if long else Window(start, None, 1000)
    now = NOW_MS - draw.randrange(30 * DAY_MS) if long else NOW_MS
    return lambda: market.klines(symbol, interval, window, now, shift)


def newest(draw: random.Random) -> Callable[[], bytes]:
    """Return a question for the last 1000 minutes before a random time, the running one included."""
    market = SyntheticMarket()
    symbol = draw.choice(list(market.symbols))
    now = draw.randrange(LISTED_MS + 2 * DAY_MS, NOW_MS)
    return lambda: market.klines(symbol, "1m", Window(None, None, 1000), now)


def others(draw: random.Random, ask: Callable[[Market, str, int], object]) -> Callable[[], object]:
    """Return another question to a market that was never asked."""
    market = SyntheticMarket()
    symbol = draw.choice(list(market.symbols))
    now = draw.randrange(LISTED_MS + 2 * DAY_MS, NOW_MS)
    return lambda: ask(market, symbol, now)


def recorded(seed: int) -> RecordedMarket:
    """Return a year of minutes as a recording."""
    draw = np.random.default_rng(seed)
    opens = NOW_MS // DAY_MS * DAY_MS + MINUTE_MS * (np.arange(BARS) - BARS)
    close = np.round(30_000 * np.exp(np.cumsum(draw.normal(0, 4e-4, BARS))), 2)
    first = np.concatenate([[30_000.0], close[:-1]])
    volume = np.round(draw.gamma(1.5, 12.0, BARS), 5)
    taken = np.round(volume / 2, 5)
    columns = {
        "open_time": opens * 1000,
        "open": first,
        "high": np.maximum(first, close),
        "low": np.minimum(first, close),
        "close": close,
        "volume": volume,
        "close_time": (opens + MINUTE_MS - 1) * 1000,
        "quote_volume": np.round(volume * close, 7),
        "trades": draw.poisson(900, BARS),
        "taker_buy_volume": taken,
        "taker_buy_quote_volume": np.round(taken * close, 7),
    }
    return RecordedMarket({"BTCUSDT": Recording({"1m": columns})})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=31)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, repeat = random.Random(options.seed), options.repeat
    print(f"{'ms':34s}{'median':>10s}{'least':>10s}{'CPU':>10s}{'limit':>8s}")
    synthetic(draw, "1m")()
    for interval, limit in LIMITS_MS.items():
        figures = measured(lambda interval=interval: synthetic(draw, interval), repeat)
        line(f"1000 synthetic {interval}, cold", figures, limit)
    line("the newest 1000 synthetic 1m, cold", measured(lambda: newest(draw), repeat), 4.0)
    for interval in ("1h", "1d", "1w"):
        figures = measured(
            lambda interval=interval: synthetic(draw, interval, 19_800_000), max(repeat // 4, 1)
        )
        line(f"1000 synthetic {interval} at +5:30, cold", figures)
    questions: dict[str, Callable[[Market, str, int], object]] = {
        "1000 trades, cold": lambda m, s, now: m.trades(s, Ids(None, 1000), now),
        "1000 aggregates by time, cold": lambda m, s, now: m.agg_trades(
            s, Window(now - DAY_MS, None, 1000), now
        ),
        "24 h in one row, cold": lambda m, s, now: m.summary(s, now - DAY_MS, now),
        "depth of 5000, cold": lambda m, s, now: m.depth(s, 5000, now),
    }
    for name, ask in questions.items():
        line(name, measured(lambda ask=ask: others(draw, ask), repeat))
    market = recorded(options.seed)
    whole = Window(None, None, 1000)
    begin = time.perf_counter()
    market.klines("BTCUSDT", "1m", whole, NOW_MS)
    print(f"{'first page of a recorded year of 1m':34s}{(time.perf_counter() - begin) * 1e3:9.1f}")
    first = NOW_MS // DAY_MS * DAY_MS - BARS * MINUTE_MS

    def page() -> Callable[[], bytes]:
        start = first + draw.randrange(BARS - 1000) * MINUTE_MS
        return lambda: market.klines("BTCUSDT", "1m", Window(start, None, 1000), NOW_MS)

    line("1000 recorded 1m, the market", measured(page, 300))
    gateway, session = Gateway(market), ServerSession()

    def frame() -> Callable[[], object]:
        start = first + draw.randrange(BARS - 1000) * MINUTE_MS
        text = (
            '{"id":1,"method":"klines","params":{"symbol":"BTCUSDT","interval":"1m",'
            f'"startTime":{start},"limit":1000}}}}'
        )

        def answer() -> None:
            call = session.receive(text)
            assert not isinstance(call, bytes)
            gateway.handle(call, session, "", NOW_MS)

        return answer

    line("1000 recorded 1m, frame to frame", measured(frame, 300))


if __name__ == "__main__":
    main()
