import pytest

from bwsresearch.protocol.credentials import Credentials, in_micros
from bwsresearch.protocol.messages import Refusal

NOW = 1_700_000_000_000
PAST = "Timestamp for this request is outside of the recvWindow."
FUTURE = "Timestamp for this request was 1000ms ahead of the server's time."


def fault(check, *args):
    try:
        check(*args)
    except Refusal as refusal:
        return refusal.status, refusal.body.code, refusal.body.msg
    return None


@pytest.mark.parametrize(
    ("timestamp", "window", "msg"),
    [
        (NOW, 5000, None),
        (NOW + 999, 5000, None),
        (NOW + 1000, 5000, FUTURE),
        (NOW + 20_000, 5000, FUTURE),
        (NOW - 5000, 5000, None),
        (NOW - 5001, 5000, PAST),
        (NOW - 1, 0, PAST),
        (NOW, 0, None),
        (NOW * 1000 + 999_999, 5000, None),
        (NOW * 1000 + 1_000_000, 5000, FUTURE),
        (NOW * 1000 - 100, 0.1, None),
        (NOW * 1000 - 101, 0.1, PAST),
        (0, 60_000, PAST),
        (1_483_228_799_999, 60_000, PAST),
    ],
)
def test_a_request_is_valid_from_a_second_ahead_until_its_window_is_over(timestamp, window, msg):
    told = fault(Credentials(timestamp, window).check_time, NOW)
    assert told == (None if msg is None else (400, -1021, msg))


def test_a_clock_before_2017_takes_no_request_from_then():
    early = 1_483_228_799_999
    assert fault(Credentials(early).check_time, early) == (400, -1021, PAST)


@pytest.mark.parametrize("key", ["", "x" * 63, "x" * 65, "ü" * 64, "x" * 63 + "-", "x" * 64 + "\n"])
def test_what_is_no_key_is_told_by_its_form(key):
    told = fault(Credentials(0, api_key=key).check_key)
    assert told == (401, -2014, "API-key format invalid.")


@pytest.mark.parametrize("key", ["aB3" + "x" * 61, None])
def test_64_letters_and_digits_are_a_key_and_so_is_the_sessions(key):
    assert fault(Credentials(0, api_key=key).check_key) is None


def test_payloads_leave_out_the_signature_and_the_lenient_form_when_strict():
    credentials = Credentials(0, sent={"b": "x y", "a": "1", "signature": "s"})
    assert list(credentials.payloads()) == [("raw", "a=1&b=x y"), ("urlencoded", "a=1&b=x+y")]
    assert list(credentials.payloads(is_strict=True)) == [("raw", "a=1&b=x y")]


def test_a_repr_shows_neither_key_nor_signature_nor_what_was_sent():
    secret = {"apiKey": "k" * 64, "signature": "s" * 64}
    text = repr(Credentials(1, api_key="k" * 64, signature="s" * 64, sent=secret))
    assert "kkk" not in text
    assert "sss" not in text


def test_times_are_milliseconds_until_they_are_too_large_for_it():
    assert in_micros(NOW) == in_micros(NOW * 1000) == NOW * 1000
