import numpy as np
import pytest
from matplotlib.colors import to_rgba

from bwsresearch import plot
from bwsresearch.plot.style import UNKNOWN

from .lab import axes


def drawn(values, **options):
    rows, columns = range(values.shape[0]), range(10, 10 * values.shape[1] + 1, 10)
    settings = {"names": ("fast", "slow"), "title": "Sharpe"} | options
    return plot.heatmap(axes(), values, rows, columns, **settings)


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_months_stand_in_rows_of_years_with_the_years_return_at_the_end():
    table = np.full((2, 12), np.nan)
    table[0, 11], table[1, 0] = -0.0004, 0.123
    ax = plot.monthly(axes(), [2023, 2024], table, np.array([-0.0004, 0.123]))
    assert words(ax) == ["0.0", "0.0", "12.3", "12.3"]
    places = [text.get_position() for text in ax.texts]
    assert places == [(11, 0), (13, 0), (0, 1), (13, 1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2023", "2024"]


def test_figures_on_both_sides_of_zero_are_white_at_it():
    ax = drawn(np.array([[-1.0, 0.0], [3.0, 1.0]]))
    image = ax.images[0]
    assert (image.norm.vmin, image.norm.vmax) == (-3.0, 3.0)
    red, green, blue, _ = image.to_rgba(np.array([[0.0]]))[0, 0]
    assert min(red, green, blue) > 0.95
    assert drawn(np.array([[1.0, 2.0]])).images[0].norm.vmin == 1.0


def test_what_is_not_known_is_grey_and_has_no_number():
    ax = drawn(np.array([[np.nan, 1.0], [np.inf, 2.0]]))
    assert words(ax) == ["1", "2"]
    grey = ax.images[0].to_rgba(np.ma.masked_invalid([[np.nan]]))[0, 0]
    assert grey == pytest.approx(to_rgba(UNKNOWN))
    nothing = drawn(np.full((2, 2), np.nan))
    assert (words(nothing), nothing.get_title("right")) == ([], "")
    nothing.figure.canvas.draw()


@pytest.mark.parametrize(
    ("best", "title", "corner"),
    [
        ("max", "best 4: fast 1, slow 30", (1.5, 0.5)),
        ("min", "best 1: fast 1, slow 10", (-0.5, 0.5)),
        ("", "", None),
    ],
)
def test_the_best_figure_is_marked_and_named(best, title, corner):
    ax = drawn(np.array([[2.0, 3.0, np.nan], [1.0, 2.0, 4.0]]), best=best)
    assert ax.get_title("right") == title
    assert {mark.get_xy() for mark in ax.patches} == ({corner} if corner else set())


def test_many_cells_have_colours_alone_and_few_labels():
    ax = drawn(np.random.default_rng(1).normal(size=(60, 90)))
    assert words(ax) == []
    assert len(ax.get_xticks()) <= 16
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["10", "70"]


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), must be \(2, 1\): a row for each fast"):
        plot.heatmap(axes(), np.ones((2, 2)), [1, 2], [3], names=("fast", "slow"), title="")
