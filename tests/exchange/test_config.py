import dataclasses
import tomllib

import pytest

from bwsresearch.exchange.config import Ban, Config, Limits, Net


def test_the_defaults_are_the_exchanges():
    config = Config()
    assert dataclasses.asdict(config.limits) == {
        "weight_per_minute": 6000, "orders_10s": 100, "orders_day": 200_000, "maker_decrement": 5,
        "connections_5m": 300, "ban": {"enabled": False, "after": 10},
    }  # fmt: skip
    assert config.net == Net(65_536, 20.0, 60.0, 86_400.0, 5.0)
    assert Config.of({}) == config


def test_keys_of_a_file_are_the_names_of_the_settings():
    text = """
        seed = 7
        limits.weight_per_minute = 100000
        [limits.ban]
        enabled = true
        after = 3
        [net]
        ping_interval = 1
        max_lifetime = 2.5
        [auth]
        strict_signatures = true
        [model]
        id = "trades@1"
        participation = 0.25
    """
    config = Config.of(tomllib.loads(text))
    assert config.limits == Limits(weight_per_minute=100_000, ban=Ban(enabled=True, after=3))
    assert (config.net.ping_interval, config.net.max_lifetime) == (1.0, 2.5)
    assert isinstance(config.net.ping_interval, float)
    assert config.auth.strict_signatures
    assert (config.model.id, config.model.participation, config.seed) == ("trades@1", 0.25, 7)
    assert config.net.max_frame == Net().max_frame


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limit = 1", "limit is no setting, must be one of limits, net, auth, model, seed"),
        (
            "net.ping = 1",
            (
                "net.ping is no setting, must be one of "
                "max_frame, ping_interval, pong_timeout, max_lifetime, shutdown_lead"
            ),
        ),
        ("limits = 1", "limits is 1, must be a table of settings"),
        ("limits.ban = true", "limits.ban is True, must be a table of settings"),
        ('limits.weight_per_minute = "6000"', "limits.weight_per_minute is '6000', must be int"),
        ("limits.weight_per_minute = 6000.5", "limits.weight_per_minute is 6000.5, must be int"),
        ("limits.weight_per_minute = true", "limits.weight_per_minute is True, must be int"),
        ("limits.weight_per_minute = 0", "limits.weight_per_minute is 0, must be above 0"),
        ("limits.weight_per_minute = -1", "limits.weight_per_minute is -1, must be above 0"),
        ("limits.ban.enabled = 1", "limits.ban.enabled is 1, must be bool"),
        ("net.ping_interval = true", "net.ping_interval is True, must be float"),
        ("net.pong_timeout = 0.0", "net.pong_timeout is 0.0, must be above 0"),
        ("net.max_lifetime = nan", "net.max_lifetime is nan, must be a finite number"),
        ("net.max_lifetime = inf", "net.max_lifetime is inf, must be a finite number"),
    ],
)
def test_what_cannot_be_is_named_with_its_key_value_and_bound(text, message):
    with pytest.raises(ValueError) as caught:
        Config.of(tomllib.loads(text))
    assert str(caught.value) == message
