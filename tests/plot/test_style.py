import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bwsresearch.plot.style import BLUE, GREEN, ORANGE, RED, percents, plain

# What eyes without one kind of cone see of linear RGB: Machado, Oliveira and Fernandes (2009).
DEUTAN = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
PROTAN = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]


def lab(colour, eyes):
    """A colour as such eyes see it, in CIE L*a*b* of D65."""
    part = np.array(to_rgb(colour))
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(eyes) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", [np.eye(3), DEUTAN, PROTAN], ids=["most", "deutan", "protan"])
@pytest.mark.parametrize(("one", "other"), [(GREEN, RED), (BLUE, ORANGE)])
def test_colours_that_mean_opposites_differ_to_colour_blind_eyes(one, other, eyes):
    assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 25  # 2.3 is just noticeable


def test_numbers_have_thousands_and_no_exponent():
    assert [plain(value) for value in (1e7, 0.00001234, -0.0, 1e-12)] == [
        "10,000,000", "0.00001234", "0", "0",
    ]  # fmt: skip


def test_what_is_not_quite_all_lost_never_reads_so():
    assert percents(-1.0) == "-100.0 %"
    assert percents(-0.99999) == "-99.999 %"
    assert percents(12.3456) == "1,234.6 %"
    assert percents(-1e-9) == "0.0 %"
