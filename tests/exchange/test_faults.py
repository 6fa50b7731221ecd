import json

import pytest

from bwsresearch.exchange.faults import KINDS, Deed, Fault, FaultPlan

ROWS = [
    [1_700_000_000_000 + i, "1.0", "2.0", "1.0", "2.0", "9.0", 1_700_000_000_059 + i]
    for i in (0, 60)
]


def struck(plan, methods):
    """The numbers, from 1, of the requests to which something happens."""
    return [n for n, method in enumerate(methods, 1) if plan.struck(method, 5)]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ({"at": 3}, [3]),
        ({"at": range(4, 7)}, [4, 5, 6]),
        ({"every": 3}, [3, 6, 9]),
        ({"chance": 0.0}, []),
        ({"chance": 1.0}, list(range(1, 10))),
    ],
)
def test_a_fault_happens_to_the_requests_that_are_named(when, numbers):
    assert struck(FaultPlan((Fault("drop", **when),)), ["ping"] * 9) == numbers


def test_a_fault_of_a_method_counts_its_requests_alone():
    plan = FaultPlan((Fault("drop", at=2, method="klines"),))
    assert struck(plan, ["klines", "time", "time", "klines", "klines"]) == [4]
    assert plan.done == [Deed(4, "klines", 2, "drop", 5)]
    assert plan.requests == 5


def test_the_first_fault_that_strikes_happens():
    plan = FaultPlan((Fault("noise", every=2), Fault("drop", every=3)))
    assert struck(plan, ["ping"] * 6) == [2, 3, 4, 6]
    assert plan.counts == {"noise": 3, "drop": 1}


def test_chance_follows_from_the_seed_and_is_about_as_likely_as_said():
    def found(seed):
        return struck(FaultPlan((Fault("drop", chance=0.2),), seed=seed), ["ping"] * 2000)

    assert found(1) == found(1) != found(2)
    assert 340 < len(found(1)) < 460


def test_a_plan_that_begins_anew_has_done_nothing():
    plan = FaultPlan((Fault("skew", at=1, seconds=60.0), Fault("refuse", at=2), Fault("ban", at=3)))
    assert struck(plan, ["ping"] * 3) == [1, 2, 3]
    plan.begin(Fault("drop", at=1))
    assert (plan.requests, plan.done, plan.skew_ms, plan.door(5)) == (0, [], 0, None)
    assert struck(plan, ["ping"] * 3) == [1]


def test_a_clock_jumps_by_the_sum_of_the_skews():
    plan = FaultPlan((Fault("skew", at=1, seconds=3600.0), Fault("skew", at=2, seconds=-7200.0)))
    clock = plan.shifted(lambda: 10_000_000)
    seen = [clock()]
    for _ in range(2):
        plan.struck("ping", 0)
        seen.append(clock())
    assert seen == [10_000_000, 13_600_000, 6_400_000]


def test_the_door_refuses_as_often_as_said():
    plan = FaultPlan((Fault("refuse", at=1, times=2, status=500),))
    plan.struck("ping", 5)
    doors = [plan.door(5) for _ in range(3)]
    assert [door and door.status for door in doors] == [500, 500, None]


def test_a_ban_lasts_as_long_as_it_says():
    plan = FaultPlan((Fault("ban", at=1, seconds=2.0),))
    plan.struck("ping", 1000)
    assert [plan.door(at) and plan.door(at).status for at in (1000, 2999, 3000)] == [418, 418, None]


@pytest.mark.parametrize(
    ("kind", "status", "code", "data"),
    [
        ("limit", 429, -1003, {"serverTime": 1000, "retryAfter": 3500}),
        ("ban", 418, -1003, {"serverTime": 1000, "retryAfter": 3500}),
        ("failure", 500, -1001, None),
    ],
)
def test_an_exchange_that_does_not_execute_answers_so(kind, status, code, data):
    fault = Fault(kind, at=1, seconds=2.5, status=500)
    reply = json.loads(fault.answer(b'"x"', 1000))
    assert not fault.is_executed
    assert (reply["id"], reply["status"], reply["error"]["code"]) == ("x", status, code)
    assert reply["error"].get("data") == data


def reply(rows):
    return json.dumps({"id": 7, "status": 200, "result": rows, "rateLimits": []}).encode()


@pytest.mark.parametrize("kind", ["noise", "cut_json"])
def test_spoilt_replies_are_no_json(kind):
    with pytest.raises(ValueError):
        json.loads(Fault(kind, at=1).spoilt(reply(ROWS)))


def test_other_json_is_no_envelope():
    assert isinstance(json.loads(Fault("other_json", at=1).spoilt(reply(ROWS))), list)


def result_of(kind, rows):
    spoilt = json.loads(Fault(kind, at=1).spoilt(reply(rows)))
    assert (spoilt["id"], spoilt["status"], spoilt["rateLimits"]) == (7, 200, [])
    return spoilt["result"]


def test_rows_in_disorder_do_not_ascend():
    assert [row[0] for row in result_of("disorder", ROWS)] == [ROWS[0][0], ROWS[1][0], ROWS[0][0]]
    assert result_of("disorder", []) == []


def test_other_rows_lie_long_before():
    far = 1000 * 86_400_000
    assert [(row[0], row[6]) for row in result_of("other_rows", ROWS)] == [
        (row[0] - far, row[6] - far) for row in ROWS
    ]
    trade = {
        "a": 5_000_000,
        "p": "1",
        "q": "1",
        "f": 9_000_000,
        "l": 9_000_001,
        "T": far,
        "m": True,
    }
    moved = {"a": 4_000_000, "f": 8_000_000, "l": 8_000_001, "T": 0}
    assert result_of("other_rows", [trade]) == [trade | moved]


def test_another_result_is_no_list():
    assert isinstance(result_of("other_result", ROWS), dict)


def test_an_error_reply_has_no_rows_to_spoil():
    text = b'{"id":1,"status":400,"error":{"code":-1121,"msg":"Invalid symbol."}}'
    assert Fault("disorder", at=1).spoilt(text) == text


@pytest.mark.parametrize(
    "kind",
    sorted(
        set(KINDS) - {"noise", "other_json", "cut_json", "other_result", "other_rows", "disorder"}
    ),
)
def test_all_other_kinds_leave_replies_as_they_are(kind):
    assert Fault(kind, at=1).spoilt(reply(ROWS)) == reply(ROWS)


def test_a_fault_that_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match=r"^kind is 'explode', must be one of drop_unread, drop, "):
        Fault("explode", at=1)
    for when in ({}, {"at": 1, "every": 2}):
        with pytest.raises(
            ValueError, match=r"^drop happens at no certain request; give at, every"
        ):
            Fault("drop", **when)
    with pytest.raises(ValueError, match=r"^every is 0, must be 1 or more requests$"):
        Fault("drop", every=0)
    with pytest.raises(ValueError, match=r"^chance is 1.5, must be 0 to 1$"):
        Fault("drop", chance=1.5)
