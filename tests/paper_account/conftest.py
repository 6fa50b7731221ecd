"""Paper accounts that end with their test."""

import pytest

import bwsresearch as bws

from .lab import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(clock):
    """Open an account; by default on the synthetic market at a time that is set."""
    papers = []

    def open_(balances=None, **options):
        if options.setdefault("market", "synthetic") == "synthetic":
            options.setdefault("clock", clock)
        papers.append(bws.paper(balances, **options))
        return papers[-1]

    yield open_
    for paper in papers:
        paper.close()
