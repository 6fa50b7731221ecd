"""A synthetic exchange, with a clock that is set."""

import pytest

from bwsresearch.exchange.synthetic import SyntheticMarket

from .lab import Exchange, Watched, close_clients


@pytest.fixture(scope="session")
def synthetic():
    return SyntheticMarket(seed=7)


@pytest.fixture
def exchange(synthetic):
    return Exchange(Watched(synthetic))


@pytest.fixture(autouse=True)
def _closed():
    yield
    close_clients()
