"""A backtest's strategy as a client of an exchange whose clock the bars move: on paper, or by socket."""

from bwsresearch.rehearsal.asking import Asked, Clock
from bwsresearch.rehearsal.broker import ClientBroker
from bwsresearch.rehearsal.conduct import conducted
from bwsresearch.rehearsal.sockets import replay

__all__ = ["Asked", "ClientBroker", "Clock", "conducted", "replay"]
