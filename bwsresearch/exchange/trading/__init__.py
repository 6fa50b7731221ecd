"""The trading half of the exchange: accounts, orders, matching, fills, and what is reported of them.

Amounts are whole numbers of 1e-8 ("units"), exact as Decimal and faster; times are milliseconds.
"""
