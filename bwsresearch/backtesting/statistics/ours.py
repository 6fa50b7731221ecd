"""Our own figures of a performance, under the conventions that stand here."""

from typing import Final

import numpy as np

from bwsresearch.backtesting.statistics import ratios, trading
from bwsresearch.backtesting.statistics.drawdowns import account_drawdowns, longest_days
from bwsresearch.backtesting.statistics.performance import Performance, Trades
from bwsresearch.backtesting.statistics.periods import DAY_US, Floats
from bwsresearch.backtesting.statistics.selection import probabilistic_sharpe

__all__ = ["CONVENTIONS", "rows"]

CONVENTIONS: Final = (
    "daily UTC returns, arithmetic, 365 days a year, ddof 1; CAGR on 365.25 days; drawdown on bars; "
    "profit factor and trade returns in quote, after fees, of closed round trips"
)
_CAGR_DAYS: Final = 365.25


def rows(performance: Performance) -> dict[str, float]:
    """Return all figures by name: parts of one, not percents; fees and profits in quote."""
    with np.errstate(all="ignore"):
        return (
            _growth(performance)
            | _drawdowns(performance)
            | _days(performance.returns.parts)
            | _market(performance)
            | _holding(performance)
            | _trades(performance)
        )


def _growth(performance: Performance) -> dict[str, float]:
    equity, returns, per_year = performance.equity, performance.returns.parts, performance.per_year
    own = float(equity[-1]) / performance.initial - 1.0
    held = float(performance.benchmark[-1]) / performance.initial - 1.0
    return {
        "final_equity": float(equity[-1]),
        "peak_equity": max(float(equity.max()), performance.initial),
        "return": own,
        "buy_and_hold_return": held,
        "excess_return": own - held,
        "cagr": _cagr(performance),
        "volatility": ratios.deviation(returns) * per_year**0.5,
        "sharpe": ratios.sharpe(returns, per_year),
        "probabilistic_sharpe": _probabilistic(returns),
        "sortino": ratios.sortino(returns, per_year),
        "omega": ratios.omega(returns),
    }


def _cagr(performance: Performance) -> float:
    """Return the growth per year of 365.25 days, from the first open to the end of the last bar."""
    years = performance.days / _CAGR_DAYS
    if not years:
        return float("nan")
    growth = ratios.compounded(float(performance.equity[-1]) / performance.initial, 1.0 / years)
    return growth if np.isfinite(growth) else float("nan")


def _probabilistic(returns: Floats) -> float:
    return probabilistic_sharpe(
        ratios.sharpe(returns),
        returns_count=len(returns),
        skew=ratios.skew(returns),
        kurtosis=ratios.kurtosis(returns) + 3.0,
    )


def _drawdowns(performance: Performance) -> dict[str, float]:
    found, times, down = account_drawdowns(performance)
    worst, cagr = float(down.min()), _cagr(performance)
    ulcer = float(np.sqrt(np.mean(down[1:] ** 2)))
    lengths = (times[found.end] - times[found.peak]) / DAY_US
    return {
        "calmar": ratios.ratio(cagr, -worst),
        "max_drawdown": worst,
        "max_drawdown_days": longest_days(found, times),
        "average_drawdown": ratios.mean(found.depth),
        "average_drawdown_days": ratios.mean(lengths),
        "drawdowns": float(len(found.peak)),
        "ulcer_index": ulcer,
        "martin": ratios.ratio(cagr, ulcer),
        "recovery_factor": ratios.ratio(
            float(performance.equity[-1]) / performance.initial - 1.0, -worst
        ),
    }


def _days(returns: Floats) -> dict[str, float]:
    return {
        "best_day": float(returns.max()),
        "worst_day": float(returns.min()),
        "positive_days": ratios.mean(returns > 0),
        "skew": ratios.skew(returns),
        "kurtosis": ratios.kurtosis(returns),
        "value_at_risk": ratios.value_at_risk(returns),
        "expected_shortfall": ratios.expected_shortfall(returns),
        "tail_ratio": ratios.tail_ratio(returns),
    }


def _market(performance: Performance) -> dict[str, float]:
    own, market = performance.returns.parts, performance.benchmark_returns.parts
    per_year, beta = performance.per_year, ratios.beta(own, market)
    up, down = market > 0, market < 0
    return {
        "beta": beta,
        "alpha": (ratios.mean(own) - beta * ratios.mean(market)) * per_year,
        "correlation": ratios.correlation(own, market),
        "information_ratio": ratios.sharpe(own - market, per_year),
        "up_capture": ratios.ratio(ratios.mean(own[up]), ratios.mean(market[up])),
        "down_capture": ratios.ratio(ratios.mean(own[down]), ratios.mean(market[down])),
    }


def _holding(performance: Performance) -> dict[str, float]:
    exposure = performance.exposure
    years = performance.days / _CAGR_DAYS
    return {
        "exposure": ratios.mean(performance.held),
        "average_exposure": ratios.mean(exposure),
        "max_exposure": float(exposure.max()),
        "turnover": ratios.ratio(performance.traded, ratios.mean(performance.equity) * years),
        "fees": performance.fees,
    }


def _trades(performance: Performance) -> dict[str, float]:
    """Return figures of the closed trades, and what is open beside them."""
    trades = performance.trades.closed
    opened = performance.trades.is_open
    return {
        "trades": float(len(trades)),
        "open_trades": float(np.count_nonzero(opened)),
        "open_pnl": float(performance.trades.pnl[opened].sum()),
        **_profits(trades),
        **_lengths(performance, trades),
    }


def _profits(trades: Trades) -> dict[str, float]:
    pnl, parts = trades.pnl, trades.returns
    return {
        "win_rate": trading.win_rate(pnl),
        "profit_factor": trading.profit_factor(pnl),
        "profit_factor_pct": trading.profit_factor(parts),
        "expectancy": ratios.mean(pnl),
        "payoff": trading.payoff(pnl),
        "kelly": trading.kelly(pnl),
        "sqn": trading.quality(pnl),
        "best_trade": float(parts.max()) if len(parts) else float("nan"),
        "worst_trade": float(parts.min()) if len(parts) else float("nan"),
        "average_trade": ratios.mean(parts),
        "average_trade_geometric": trading.geometric_mean(parts),
        "average_win": ratios.mean(parts[pnl > 0]),
        "average_loss": ratios.mean(parts[pnl < 0]),
        "max_wins": trading.longest_run(pnl > 0),
        "max_losses": trading.longest_run(pnl < 0),
    }


def _lengths(performance: Performance, trades: Trades) -> dict[str, float]:
    opened = performance.opened
    days = (opened[trades.exit_bar] - opened[trades.entry_bar]) / DAY_US
    return {
        "average_trade_days": ratios.mean(days),
        "max_trade_days": float(days.max()) if len(days) else float("nan"),
        "average_win_days": ratios.mean(days[trades.pnl > 0]),
        "average_loss_days": ratios.mean(days[trades.pnl < 0]),
    }
