import base64
import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
from matplotlib.image import imread

from bwsresearch import plot

from .lab import axes, stamps


def test_a_png_is_the_size_that_was_asked_for():
    figure = plot.figure(4, 2)
    pixels = imread(io.BytesIO(base64.b64decode(plot.png(figure, dpi=50))))
    assert pixels.shape[:2] == (100, 200)


def test_a_dark_figure_has_light_words_and_the_same_places():
    figure = plot.figure(6, 4)
    axes = plot.panels(figure, (2, 1))
    plot.equity(axes[0], stamps(3), np.array([1.0, 2.0, 3.0]), np.ones(3), "USDT")
    plot.drawdown(axes[1], stamps(3), np.array([0.0, -0.5, 0.0]))
    plot.png(figure)
    places = [ax.get_position().bounds for ax in axes]
    plot.darken(figure)
    plot.png(figure)
    assert [ax.get_position().bounds for ax in axes] == places
    to_grey = mpl.colors.to_rgb
    assert sum(to_grey(figure.get_facecolor())) < 0.4
    words = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert len(words) > 10
    assert all(sum(to_grey(text.get_color())) > 2.5 for text in words)


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = "import sys, bwsresearch.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_words_on_cells_keep_their_ink_on_a_dark_page():
    ax = plot.monthly(axes(), [2024], np.array([[0.3, *[0.0] * 11]]), np.array([0.3]))
    inks = [text.get_color() for text in ax.texts]
    plot.darken(ax.figure)
    assert [text.get_color() for text in ax.texts] == inks
    assert set(inks) == {"black", "white"}
