"""Paper trading: an account on an exchange in this process, every request of it recorded."""

from bwsresearch.paper_account.account import Paper
from bwsresearch.paper_account.opening import paper

__all__ = ["Paper", "paper"]
