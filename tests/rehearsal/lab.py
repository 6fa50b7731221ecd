"""What the tests of this folder run: random markets with holes in them, rules, and strategies."""

import numpy as np
import pandas as pd

import bwsresearch as bws
from bwsresearch.backtesting import Rules

FILTERS = (
    {
        "filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "100000", "tickSize": "0.01",
    },
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "900", "stepSize": "0.001"},
    {
        "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.05", "bidMultiplierDown": "0.2",
        "askMultiplierUp": "5", "askMultiplierDown": "0.95", "avgPriceMins": 5,
    },
    {
        "filterType": "NOTIONAL", "minNotional": "20", "applyMinToMarket": True,
        "maxNotional": "100000", "applyMaxToMarket": False, "avgPriceMins": 5,
    },
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 4},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 2},
)  # fmt: skip


def klines(seed, bars=300, *, symbol="BTCUSDT", gaps=True):
    """One-minute bars: some without trades, some missing, one or two hours of them at a stretch."""
    draw = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.004, bars))), 2)
    opens = np.round(np.append(100.0, close[:-1]) * (1 + draw.normal(0, 0.001, bars)), 2)
    volume = np.round(draw.exponential(3, bars), 5) * (draw.random(bars) > 0.15)
    reach = draw.exponential(0.002, (2, bars))
    frame = pd.DataFrame(
        {
            "open": opens,
            "high": np.round(np.maximum(opens, close) * (1 + reach[0]), 2),
            "low": np.round(np.minimum(opens, close) * (1 - reach[1]), 2),
            "close": close,
            "volume": volume,
        },
        index=pd.date_range("2024-01-01", periods=bars, freq="1min", tz="UTC", name="open_time"),
    )
    frame.attrs["symbol"] = symbol
    if gaps:
        kept = draw.random(bars) > 0.04
        kept[80 : 80 + int(draw.integers(1, 30))] = False
        kept[[0, 1, -1]] = True
        attrs, frame = frame.attrs, frame[kept]
        frame.attrs = attrs
    return frame


def rules(seed, **changes):
    """Rules that refuse some orders and fill others in part."""
    draw = np.random.default_rng(seed)
    return Rules(
        **{
            "fee": draw.choice(["0", "0.001", "0.00075"]),
            "fee_maker": draw.choice(["0.0002", "0.001"]),
            "fee_asset": draw.choice(["received", "quote"]),
            "filters": FILTERS,
            "tick": "0.01", "step": "0.001", "min_qty": "0.001", "min_notional": "20",
            "slippage_bps": draw.choice(["0", "2", "7.5"]),
            "participation": draw.choice([None, "0.3", "0.05"]),
            "latency": draw.choice(["0", "0", "0.25", "60"]),
        }
        | changes
    )  # fmt: skip


def exposures(frame, seed):
    """Targets that mostly hold, and otherwise want anything."""
    draw = np.random.default_rng(seed)
    wanted = np.where(
        draw.random(len(frame)) < 0.3, draw.choice([0, 1, 0.5, 0.37, 0.9], len(frame)), np.nan
    )
    return pd.Series(wanted, index=frame.index)


class Fickle(bws.Strategy):
    """Orders at random: at market, limits, stops and takes of profit, and cancels some of them."""

    seed = 1
    activity = 0.35

    def on_start(self, _):
        self.draw = np.random.default_rng(self.seed)

    def on_bar(self, bar, ctx):
        draw = self.draw
        if isinstance(bar, dict):
            symbol = list(bar)[int(draw.integers(len(bar)))]
            close = bar[symbol].close
        else:
            symbol, close = ctx.symbol, bar.close
        open_orders = ctx.open_orders
        if open_orders and draw.random() < 0.15:
            one = open_orders[int(draw.integers(len(open_orders)))]
            ctx.cancel(None if draw.random() < 0.3 else one.order_id)
        orders = [
            {"symbol": symbol, **self.wish(draw, close, ctx, symbol)}
            for _ in range(int(draw.integers(1, 3)))
            if draw.random() < self.activity
        ]
        return orders or None

    def wish(self, draw, close, ctx, symbol):
        side = "BUY" if draw.random() < 0.5 else "SELL"
        base = float(ctx.balance(symbol.removesuffix("USDT")))
        size = round(float(draw.random()) * (ctx.cash / close if side == "BUY" else base), 3)
        size = max(size, 0.001)
        near = close * (1 + float(draw.normal(0, 0.004)))
        common = {"side": side, "quantity": size}
        whens = {"time_in_force": str(draw.choice(["GTC", "IOC", "FOK"]))}
        wishes = (
            {"side": "BUY", "type": "MARKET", "quote_order_qty": ctx.cash * 0.3 + 0.01},
            common | {"type": "MARKET"},
            common | {"type": "LIMIT", "price": near} | whens,
            common | {"type": "LIMIT_MAKER", "price": near},
            common | {"type": "STOP_LOSS", "stop_price": near},
            common | {"type": "STOP_LOSS_LIMIT", "stop_price": near, "price": near * 1.001},
            common | {"type": "TAKE_PROFIT", "stop_price": near},
        )
        return wishes[int(draw.integers(len(wishes)))]
