import base64
import io
import itertools

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from helpers.plots import (  # noqa: E402
    animate,
    plot_by_seed,
    plot_curves,
    plot_images,
    plot_trade_off,
    use_course_style,
)


@pytest.fixture(autouse=True)
def figures():
    use_course_style()
    yield
    plt.close("all")


def test_plots_draw_into_the_axes_they_are_given():
    for plot, arguments in (
        (plot_images, (np.zeros((3, 4, 4)),)),
        (plot_curves, ({"a": [1, 2]}, "epoch", "loss (nats)", "title")),
        (plot_by_seed, ({"a": [1, 2]}, "accuracy", "title")),
        (plot_trade_off, ([1, 2], [3, 4], [5, 6], ["a", "b"], "cost", "accuracy", "title")),
    ):
        ax = plt.subplots()[1]
        assert plot(*arguments, ax=ax) is ax
        assert plot(*arguments).figure is not ax.figure


@pytest.mark.parametrize("shape", [(10, 5, 5), (10, 5, 5, 1), (10, 5, 5, 3)])
def test_every_image_is_drawn_once_and_in_reading_order(shape):
    ax = plot_images(np.zeros(shape, "uint8"), [str(i) for i in range(10)], columns=4)
    assert len(ax.images) == 10
    places = [(-text.get_position()[1], text.get_position()[0]) for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(10)] and places == sorted(places)


def test_each_grey_image_has_its_own_scale():
    ax = plot_images(np.array([[[0, 1]], [[0, 200]]]))
    assert [image.get_clim() for image in ax.images] == [(0, 1), (0, 200)]


def test_images_can_share_a_scale():
    ax = plot_images(np.array([[[0, 1]], [[0, 200]]]), value_range=(-5, 5))
    assert [image.get_clim() for image in ax.images] == [(-5, 5)] * 2


def test_seeds_become_a_band_around_their_mean():
    ax = plot_curves({"seeds": [[1, 2], [3, 6]], "one": [5, 5]}, "epoch", "loss (nats)", "title")
    assert ax.lines[0].get_ydata().tolist() == [2, 4]
    (band,) = ax.collections
    assert band.get_datalim(ax.transData).extents.tolist() == [1, 1, 2, 6]


def test_no_recipe_is_lost():
    many = {str(i): [i, i + 1] for i in range(12)}
    assert len(plot_by_seed(many, "accuracy", "title").lines) == 12
    assert len(plot_curves(many, "epoch", "loss (nats)", "title").lines) == 12


def test_bad_images_are_refused():
    for images, columns in ((np.zeros((0, 4, 4)), 8), (np.zeros((2, 4, 4)), 0)):
        with pytest.raises(ValueError, match="Received: . images, columns="):
            plot_images(images, columns=columns)
    with pytest.raises(ValueError, match="Received: shape="):
        plot_images(np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match="Received: 1 titles, 2 images"):
        plot_images(np.zeros((2, 4, 4)), ["one"])


def test_parameters_are_areas_and_names_cover_nothing():
    costs, qualities, areas = [1, 10, 11, 100], [0.5, 0.7, 0.7, 0.8], [1, 4, 16, 64]
    ax = plot_trade_off(costs, qualities, areas, ["first", "second", "third", "fourth"], "cost", "quality", "title")
    discs = ax.collections[0]
    assert np.allclose(discs.get_sizes() / discs.get_sizes()[-1], [1 / 64, 1 / 16, 1 / 4, 1])
    assert np.allclose(discs.get_offsets(), np.column_stack([costs, qualities]))
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    for box, name in zip(boxes, ("first", "second", "third", "fourth")):
        assert ax.bbox.count_contains(box.corners()) == 4, f"{name} lies within the axes"


@pytest.mark.parametrize(
    "columns",
    [([], [], [], []), ([1], [1, 2], [1], ["a"]), ([0], [1], [1], ["a"]), ([1, 1], [1, 1], [1, -1], ["a", "b"])],
)
def test_discs_need_a_cost_and_an_area(columns):
    with pytest.raises(ValueError, match=r"Received: costs=\["):
        plot_trade_off(*columns, "cost", "quality", "title")


def test_the_areas_that_were_given_are_named():
    with pytest.raises(ValueError, match=r"areas=\[0\.0, 0\.0\]"):
        plot_trade_off([1, 2], [1, 2], [0, 0], ["a", "b"], "cost", "quality", "title")


def test_every_frame_is_drawn_in_order_and_the_last_one_stays():
    figure, ax = plt.subplots(figsize=(2, 2))
    (line,) = ax.plot([0], [0], "o")
    drawn = []

    def draw(index):
        drawn.append(index)
        line.set_data([index], [0])
        ax.set_xlim(-1, 5)

    text = animate(figure, draw, frames=4, seconds=0.1, alt='a "walk"', colors=8).data
    assert drawn == [0, 1, 2, 3] and text.startswith('<img alt="a &quot;walk&quot;" src="data:image/gif;base64,')
    picture, times, seen = Image.open(io.BytesIO(base64.b64decode(text.split(",")[1][:-2]))), [], set()
    for index in range(picture.n_frames):
        picture.seek(index)
        picture.load()
        times.append(picture.info["duration"])
        seen.add(picture.convert("RGB").tobytes())
    assert times == [100, 100, 100, 2100] and len(seen) == 4 and picture.info["loop"] == 0
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("options", [{"frames": 0}, {"frames": 2, "seconds": 0}, {"frames": 2, "colors": 1}])
def test_a_moving_picture_needs_a_frame(options):
    with pytest.raises(ValueError, match="Received: frames="):
        animate(plt.figure(), print, **options)
