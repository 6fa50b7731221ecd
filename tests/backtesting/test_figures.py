import pytest

from bwsresearch.backtesting.figures import amount, fixed, money, percent

NAN = float("nan")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.1234, "12.34%"),
        (-0.05, "-5.00%"),
        (0.0, "0.00%"),
        (-1e-9, "0.00%"),
        (63.7146, "6,371.46%"),
        (123.456, "12,346%"),
        (-1.0, "-100.00%"),
        (-0.999993, "-99.9993%"),  # not all is lost
        (-1 + 1e-9, "-99.99999990%"),
        (-0.9951, "-99.51%"),
        (NAN, "–"),
    ],
)
def test_parts_read_as_percents(part, text):
    assert percent(part) == text


def test_percents_of_a_table_have_one_decimal():
    assert [percent(part, 1) for part in (0.031, -0.0004, -1.0)] == ["3.1%", "0.0%", "-100.0%"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.891, "1,234,567.89"),
        (6.634, "6.63"),
        (0.0, "0.00"),
        (-12.5, "-12.50"),
        (0.1453, "0.1453"),
        (0.00012345, "0.00012345"),
        (NAN, "–"),
    ],
)
def test_amounts_show_what_their_size_needs(value, text):
    assert amount(value) == text


def test_a_column_has_as_many_decimals_as_its_most_exact_number():
    assert fixed([11_111.58, 10_829.0]) == ["11,111.58", "10,829.00"]
    assert fixed([1.0, 2.0]) == ["1", "2"]
    assert fixed([0.00012345, 0.1]) == ["0.00012345", "0.10000000"]
    assert fixed([0.1 + 0.2, NAN]) == ["0.3", "–"]
    assert fixed([123_456_789.123456, 1.0]) == ["123,456,789.1", "1.0"]
    assert fixed([]) == []


def test_a_column_of_money_has_five_digits_at_most_and_cents_at_least():
    assert money([161.4, -104.361]) == ["161.40", "-104.36"]
    assert money([0.0147, -0.5]) == ["0.01470", "-0.50000"]
    assert money([12_345.678, 0.5]) == ["12,345.68", "0.50"]
    assert money([0.0, 0.0]) == ["0.0000", "0.0000"]
    assert money([]) == []
