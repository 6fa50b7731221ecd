"""Make the sample cache in data/sample: what it holds and how, so that anybody can make it again.

    .venv/bin/python data/make_sample.py

A local exchange with the synthetic market of seed 1 is asked, through a client and the cache, for
January 2024: the 1h klines of three symbols, and their aggregate and single trades of an hour.
"""

import datetime as dt
import os
import shutil
from pathlib import Path

FOLDER = Path(__file__).parent / "sample"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")


def main() -> None:
    """Write the files anew."""
    os.environ["BWS_CACHE_DIR"] = str(FOLDER)
    import bwsresearch as bws  # noqa: PLC0415 - reads the environment
    from bwsresearch.exchange.gateway import Gateway  # noqa: PLC0415
    from bwsresearch.exchange.synthetic import SyntheticMarket  # noqa: PLC0415
    from bwsresearch.local import LocalEndpoint  # noqa: PLC0415

    shutil.rmtree(FOLDER, ignore_errors=True)
    now_ms = int(dt.datetime(2024, 2, 2, tzinfo=dt.UTC).timestamp() * 1000)
    with bws.connect(LocalEndpoint(Gateway(SyntheticMarket(1)), clock=lambda: now_ms)) as client:
        hour = {"start": "2024-01-31T12:00", "end": "2024-01-31T13:00", "client": client}
        for symbol in SYMBOLS:
            bws.klines(symbol, "1h", start="2024-01-01", end="2024-02-01", client=client)
            bws.agg_trades(symbol, **hour)
            bws.trades(symbol, **hour)
    for beside in (".locks", ".tmp"):
        shutil.rmtree(FOLDER / beside, ignore_errors=True)
    print(bws.cache.info().drop(columns="path").to_string(index=False))


if __name__ == "__main__":
    main()
