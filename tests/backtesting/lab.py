"""What the tests of this folder make things with: small markets, and a replay in Decimal."""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

from bwsresearch.backtesting import Rules

UNIT = Decimal("0.00000001")
EXACT = Context(prec=80)
steady = settings(max_examples=60, deadline=None, derandomize=True)


def market(closes, opens=None, volume=None, *, freq="1h", start="2024-01-01", symbol="BTCUSDT"):
    """Klines of these closes; a bar opens at the close before it unless `opens` says otherwise."""
    close = np.asarray(closes, np.float64)
    first = np.concatenate([close[:1], close[:-1]]) if opens is None else np.asarray(opens, float)
    index = pd.date_range(start, periods=len(close), freq=freq, tz="UTC", name="open_time")
    frame = pd.DataFrame(
        {
            "open": first,
            "high": np.maximum(first, close),
            "low": np.minimum(first, close),
            "close": close,
            "volume": np.ones(len(close)) if volume is None else np.asarray(volume, np.float64),
        },
        index=index.as_unit("us"),
    )
    if symbol is not None:
        frame.attrs["symbol"] = symbol
    return frame


def walk(bars, seed, *, freq="1h", volatility=0.01, start="2024-01-01"):
    """A random walk in ticks of 0.01 whose bars rarely open where the last one closed."""
    draw = np.random.default_rng(seed)
    close = np.round(30_000 * np.exp(np.cumsum(draw.normal(0, volatility, bars))), 2)
    opens = np.round(np.concatenate([[30_000.0], close[:-1]]) * (1 + draw.normal(0, 1e-4, bars)), 2)
    return market(close, opens, draw.uniform(1, 9, bars), freq=freq, start=start)


def sma_cross(k, fast=5, slow=12):
    return (k["close"].rolling(fast).mean() > k["close"].rolling(slow).mean()).astype(float)


exposures = st.one_of(
    st.sampled_from([float("nan"), 0.0, 1.0, 0.5]),
    st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 3)),
)
bars = st.tuples(
    st.integers(2_000, 4_000),  # open and close in ticks of 0.01
    st.integers(2_000, 4_000),
    st.sampled_from([0.0, 1.0, 1.0, 1.0]),
    exposures,
)
runs = st.lists(bars, min_size=2, max_size=30)
rules = st.builds(
    Rules,
    fee=st.sampled_from(["0", "0.001", "0.00075", "0.0123"]),
    fee_asset=st.sampled_from(["received", "quote"]),
    step=st.sampled_from(["0", "0.00001", "0.1", "0.00000003"]),
    tick=st.sampled_from(["0", "0.01"]),
    min_qty=st.sampled_from(["0", "0.5"]),
    min_notional=st.sampled_from(["0", "5", "40"]),
    slippage_bps=st.sampled_from(["0", "2", "33.3"]),
)
balances = st.tuples(
    st.sampled_from(["0", "0.3", "1.23456789"]), st.sampled_from(["0", "77.7", "1000.00000001"])
).filter(lambda both: both != ("0", "0"))


def played(run):
    """A market and a Series of exposure out of a run."""
    opens, closes, volume, wanted = (np.array(column) for column in zip(*run, strict=True))
    klines = market(closes / 100, opens / 100, volume)
    return klines, pd.Series(wanted, index=klines.index)


def down(value, unit=UNIT):
    return EXACT.multiply(EXACT.divide(value, unit).to_integral_value(ROUND_FLOOR), unit)


@dataclass
class Replay:
    """The same account, bar by bar and in Decimal: what waits fills at the open, then it decides."""

    rules: Rules
    base: Decimal
    quote: Decimal
    orders: list = field(default_factory=list)
    fills: list = field(default_factory=list)

    def run(self, klines, wanted):
        step = max(self.rules.step, UNIT)
        last = None if self.base else Decimal(0)
        waiting = None
        rows = list(zip(klines["open"], klines["close"], klines["volume"], wanted, strict=True))
        for bar, (first, close, volume, exposure) in enumerate(rows):
            if waiting is not None and volume > 0:
                self.orders[-1][3:] = self.fill(bar, Decimal(str(first)), *waiting, is_late=True)
                waiting = None
            if np.isnan(exposure):
                continue
            target = Decimal(str(exposure)).quantize(UNIT)
            if target == last:
                continue
            last = target
            if waiting is not None:
                self.orders[-1][3:] = ["CANCELED", "replaced before a trade"]
            waiting = self.wish(target, Decimal(str(close)), step)
            if waiting is None:
                continue
            self.orders.append([bar, *waiting, "NEW", ""])
            opens_at_once = bar + 1 < len(rows) and rows[bar + 1][2] > 0
            # Without a trade in the last five minutes, the last price is the average.
            average = rows[bar + 1][0] if opens_at_once and not volume > 0 else close
            if refused := self.refused(*waiting, Decimal(str(average))):
                self.orders[-1][3:] = ["REJECTED", refused]
                waiting = None
            elif opens_at_once:
                opening = Decimal(str(rows[bar + 1][0]))
                self.orders[-1][3:] = self.fill(bar + 1, opening, *waiting, is_late=False)
                waiting = None
        return self

    def wish(self, target, close, step):
        held = down(self.base * close)
        wanted = down((self.quote + held) * target)
        if target == 1:
            return ("BUY", self.spent(self.quote)) if self.quote else None
        if wanted > held:
            return "BUY", self.spent(min(wanted - held, self.quote))
        qty = self.base if target == 0 else min(down(EXACT.divide(held - wanted, close)), self.base)
        return ("SELL", down(qty, step)) if down(qty, step) else None

    def spent(self, amount):
        """What of a budget is for the price, where the fee is paid besides."""
        part = 1 + self.rules.fee if self.rules.fee_asset == "quote" else 1
        return down(EXACT.divide(amount, part))

    def refused(self, side, amount, average):
        """The filter that an order fails when it is sent: its notional counts at the average price."""
        if side == "SELL" and amount < self.rules.min_qty:
            return "LOT_SIZE"
        worth = amount if side == "BUY" else down(average * amount)
        return "NOTIONAL" if worth < self.rules.min_notional else ""

    def fill(self, bar, price, side, amount, *, is_late):
        rules, step = self.rules, max(self.rules.step, UNIT)
        tick = max(rules.tick, UNIT)
        is_buy, in_base = side == "BUY", side == "BUY" and rules.fee_asset == "received"
        if rules.slippage_bps:
            moved = price * (1 + (1 if is_buy else -1) * rules.slippage_bps / 10_000)
            toward = ROUND_CEILING if is_buy else ROUND_FLOOR
            price = EXACT.divide(moved, tick).to_integral_value(toward) * tick
        qty = down(down(EXACT.divide(amount, price)), step) if is_buy else amount
        if is_buy and qty < max(rules.min_qty, UNIT):
            return ["EXPIRED", "INSUFFICIENT_LIQUIDITY"] if is_late else ["REJECTED", "LOT_SIZE"]
        notional = (price * qty).quantize(UNIT, ROUND_DOWN)
        received = qty if in_base else notional
        fee = (received * rules.fee).quantize(UNIT, ROUND_HALF_UP)
        sign = 1 if is_buy else -1
        self.base += sign * qty - (fee if in_base else 0)
        self.quote -= sign * notional + (0 if in_base else fee)
        self.fills.append((bar, side, price, qty, notional, fee, self.base, self.quote))
        return ["FILLED", ""]
