"""Markets from a seed, for properties: plausible enough to fill orders, wild enough to find faults."""

from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen, BookChange, BookSeen, Print
from bwsresearch.exchange.trading.orders import Ticket

from .lab import NAMES, STEP, SYMBOL, TICK
from .play import Amend, Cancel, Place

MIDDLE = 10_000
BAR = 60_000
LOT = 1_000 * STEP  # 0.01


class Ticks:
    """Books and trades around a middle that wanders."""

    def __init__(self, dice):
        self.dice, self.now, self.number, self.middle = dice, 1_000_000, 0, MIDDLE
        self.sides = {
            True: {MIDDLE - n: dice.randrange(1, 30) for n in range(1, 9)},
            False: {MIDDLE + n: dice.randrange(1, 30) for n in range(1, 9)},
        }

    def wait(self):
        self.now += self.dice.choice([0, 1, 30, 100, 300, 300, 700])
        if self.dice.random() < 0.01:
            self.now += 6_000
        return self.now

    def event(self):
        self.wait()
        self.number += 1
        choice = self.dice.random()
        if choice < 0.5:
            return self.trade()
        changed = {True: {}, False: {}}
        for _ in range(self.dice.randrange(1, 4)):
            self.change(changed)
        if choice < 0.65 or self.number == 1:
            depth = self.dice.choice([3, 6, 50])
            sides = [
                sorted(self.sides[is_bid].items(), reverse=is_bid)[:depth]
                for is_bid in (True, False)
            ]
            return BookSeen(SYMBOL, self.now, self.number, *map(levels, sides))
        return BookChange(
            SYMBOL, self.now, self.number, *(levels(changed[b].items()) for b in (True, False))
        )

    def change(self, changed):
        if self.dice.random() < 0.2:
            self.middle += self.dice.choice([-2, -1, 1, 2])
        is_bid = self.dice.random() < 0.5
        away = self.dice.randrange(1, 9)
        price = self.middle - away if is_bid else self.middle + away
        size = self.dice.choice([0, 0, 1, 5, 10, 20, 40])
        for side in (True, False):  # no level of the other side stays behind a new one
            gone = [
                p for p in self.sides[side]
                if side != is_bid and size and (p >= price if side else p <= price)
            ]  # fmt: skip
            for p in gone:
                del self.sides[side][p]
                changed[side][p] = 0
        changed[is_bid][price] = size
        if size:
            self.sides[is_bid][price] = size
        else:
            self.sides[is_bid].pop(price, None)

    def trade(self):
        is_sale = self.dice.random() < 0.5
        side = self.sides[is_sale]
        best = (max if is_sale else min)(side, default=self.middle)
        price = best + self.dice.choice([0, 0, 0, 0, -1, 1, -2 if is_sale else 2])
        qty = self.dice.randrange(1, 15)
        if self.dice.random() < 0.7 and price in side:
            side[price] = max(side[price] - qty, 0)
            if not side[price]:
                del side[price]
        return Print(SYMBOL, self.now, self.number, price * TICK, qty * LOT, is_sale)


class Bars:
    """Bars of a minute, each opened and closed in turn; some are missing, some without trades."""

    def __init__(self, dice):
        self.dice, self.now, self.middle, self.bar = dice, 1_020_000, MIDDLE, None

    def wait(self):
        if self.bar is not None:
            self.now = min(self.now + self.dice.choice([0, 0, 1, 20_000]), self.bar + BAR)
        else:
            self.now += self.dice.choice([0, 0, 1, 5])
        return self.now

    def event(self):
        dice = self.dice
        if self.bar is None:
            self.bar = -(-self.now // BAR) * BAR + (BAR if dice.random() < 0.05 else 0)
            self.now = self.bar
            self.opened = self.middle + dice.choice([0, 0, 1, -1, 3, -3])
            return BarOpened(SYMBOL, self.bar, self.opened * TICK)
        start, self.bar, self.now = self.bar, None, self.bar + BAR
        is_empty = dice.random() < 0.1
        close = self.opened if is_empty else self.opened + dice.randrange(-4, 5)
        high = max(self.opened, close) + (0 if is_empty else dice.randrange(3))
        low = min(self.opened, close) - (0 if is_empty else dice.randrange(3))
        self.middle = close
        volume = 0 if is_empty else dice.randrange(1, 300) * LOT
        prices = (p * TICK for p in (self.opened, high, low, close))
        return BarSeen(SYMBOL, start, start + BAR - 1, *prices, volume)


def levels(pairs):
    return tuple((price * TICK, size * LOT) for price, size in pairs)


def items(dice, steps, kind):
    """Return events and commands in the order of their times."""
    market = Bars(dice) if kind == "klines@1" else Ticks(dice)
    made = [market.event() for _ in range(4)]
    for _ in range(steps):
        choice = dice.random()
        if choice < 0.55:
            made.append(market.event())
        elif choice < 0.9:
            made.append(Place(market.wait(), dice.choice(NAMES), ticket(dice, market.middle)))
        elif choice < 0.97:
            made.append(Cancel(market.wait(), dice.randrange(1 << 20)))
        else:
            made.append(Amend(market.wait(), dice.randrange(1 << 20), dice.randrange(10, 95)))
    return made


def ticket(dice, middle):
    """Return an order of any type near the middle."""
    kind = dice.choices(
        ["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
         "TAKE_PROFIT_LIMIT"],
        [45, 12, 15, 7, 7, 7, 7],
    )[0]  # fmt: skip
    is_buy = dice.random() < 0.5
    given = {"qty": dice.randrange(1, 25) * LOT + dice.choice([0, 0, 7 * STEP])}
    if kind == "MARKET" and dice.random() < 0.3:
        given = {"quote_order_qty": dice.randrange(1, 2_000) * 100_000_000}
    if "LIMIT" in kind:
        away = dice.choice([-1, 0, 1, 2, 3, 4, 6])
        given["price"] = (middle - away if is_buy else middle + away) * TICK
    if kind == "LIMIT":
        given["time_in_force"] = dice.choice(["GTC", "GTC", "GTC", "GTC", "IOC", "FOK"])
    if (kind, given.get("time_in_force")) == ("LIMIT", "GTC") and dice.random() < 0.25:
        given["iceberg_qty"] = max(given["qty"] // 3 // STEP * STEP, STEP)
    if kind.startswith(("STOP", "TAKE")):
        rises = (kind.startswith("STOP")) == is_buy
        given["stop_price"] = (middle + dice.randrange(0, 6) * (1 if rises else -1)) * TICK
        if dice.random() < 0.3:
            given["trailing_delta"] = dice.randrange(1, 6)
    return Ticket(SYMBOL, is_buy=is_buy, type=kind, **given)
