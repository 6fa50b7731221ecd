"""A research toolkit for the Binance Spot WebSocket API."""
