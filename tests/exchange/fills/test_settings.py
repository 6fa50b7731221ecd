import pytest

from bwsresearch.exchange.fills import (
    MODELS,
    DepthTrades,
    KlinesOnly,
    ModelConfig,
    TradesOnly,
    fill_model,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    list(zip(MODELS, (DepthTrades, TradesOnly, KlinesOnly, type(None)), strict=True)),
)
def test_a_model_is_made_by_its_name_and_tells_it(name, kind):
    made = fill_model(ModelConfig(id=name), tick=1, step=1)
    assert isinstance(made, kind)
    assert made is None or made.model == name


@pytest.mark.parametrize("name", MODELS[:3])
def test_a_symbol_without_tick_and_step_has_those_of_eight_decimals(name):
    made = fill_model(ModelConfig(id=name), tick=0, step=0)
    assert (getattr(made, "tick", 1), getattr(made, "step", 1)) == (1, 1)


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        (None, "depth+trades@1"),
        (("1m", "trades", "depth"), "depth+trades@1"),
        (("1m", "trades"), "trades@1"),
        (("1m", "depth"), "klines@1"),
        (("1m", "1h"), "klines@1"),
    ],
)
def test_the_best_model_is_the_one_that_the_data_allows(recorded, name):
    made = fill_model(ModelConfig(), tick=1, step=1, recorded=recorded)
    assert made.model == name


def test_two_symbols_do_not_share_a_model():
    config = ModelConfig()
    one, two = (fill_model(config, tick=1, step=1) for _ in range(2))
    assert one is not two
    assert one.bids is not two.bids


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"id": "magic@1"}, "model.id is 'magic@1', must be one of best, depth+trades@1"),
        ({"touch_fill": "always"}, "model.touch_fill is 'always', must be one of queue, never"),
        ({"bar_path": "ohlc"}, "model.bar_path is 'ohlc', must be one of worst, best"),
        ({"replenish": "on_snapshot"}, "model.replenish is 'on_snapshot', must be one of on_inc"),
        (
            {"entry_latency": -1.0},
            "model.entry_latency is -1.0 s, must be 0 or more and at most 60",
        ),
        (
            {"entry_latency": 61.0},
            "model.entry_latency is 61.0 s, must be 0 or more and at most 60",
        ),
        ({"max_book_age": 0.0}, "model.max_book_age is 0.0 s, must be above 0 and at most 86400"),
        ({"ladder_frac": 0.06}, "model.ladder_frac is 0.06, must be above 0 and at most 0.05"),
        ({"participation": 1.5}, "model.participation is 1.5, must be above 0 and at most 1"),
        ({"participation": 0.0}, "model.participation is 0.0, must be above 0 and at most 1"),
        ({"slippage_bps": 10_000.0}, "model.slippage_bps is 10000.0, must be 0 or more and below"),
    ],
)
def test_a_wrong_setting_names_value_and_bound(settings, message):
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        ModelConfig(**settings)


def test_the_defaults_are_the_strict_ones():
    config = ModelConfig()
    assert (config.id, config.touch_fill, config.bar_path) == ("best", "queue", "worst")
    assert config.entry_latency_ms == 0
    assert (config.max_book_age_ms, config.participation, config.ladder_frac) == (5_000, 0.1, 0.05)
    assert (config.slippage_bps, config.book_cross, config.replenish) == (2.0, True, "on_increase")
