import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from helpers.drawings import plot_block, plot_layers  # noqa: E402
from helpers.plots import use_course_style  # noqa: E402


@pytest.fixture(autouse=True)
def figures():
    use_course_style()
    yield
    plt.close("all")


def test_drawings_go_into_the_axes_they_are_given():
    for draw, what in ((plot_layers, {"image": (4, 4, 1), "logits": (10,)}), (plot_block, ["input", "output"])):
        ax = plt.subplots()[1]
        assert draw(what, "title", ax=ax) is ax
        assert draw(what, "title").figure is not ax.figure


def test_layers_are_drawn_to_scale():
    ax = plot_layers({"image": (28, 28, 1), "C1": (28, 28, 6), "S2": (14, 14, 99), "C5": (120,), "out": (30,)}, "t")
    heights = [patch.get_height() for patch in ax.patches]
    assert heights == [1] + [1] * 6 + [0.5] * 8 + [1, 0.5], "sides of maps, square roots of units, eight sheets at most"
    assert [text.get_text().split("\n")[1] for text in ax.texts][:2] == ["28 × 28 × 1", "28 × 28 × 6"]


def tower(*boxes):
    return [list(boxes), list(boxes)]


RESIDUAL = ["input", [["3 × 3, 64", "ReLU", "3 × 3, 64"], []], "+", "sum"]
PROJECTION = [("input", "56 × 56 × 256"), [["1 × 1 conv, 128", "3 × 3 conv, 128"], ["1 × 1 conv, 512"]], "+"]
INCEPTION = [
    ("input", "28 × 28 × 192"),
    [["1 × 1, 64"], ["1 × 1, 96", "3 × 3, 128"], ["1 × 1, 16", "5 × 5, 32"], ["3 × 3 max pool", ("1 × 1, 32", "x")]],
    ("concatenate", "28 × 28 × 256"),
]
SPLIT = ["input", [["a"], ["1 × 1, 384", [["1 × 3, 384"], ["3 × 1, 384"]]], [("", "identity")]], "concatenate"]
TOWERS = [
    "image",
    tower(("11 × 11 conv\n3 × 3 max pool", "27 × 27 × 48"), ("5 × 5", "13 × 13 × 128")),
    tower("3 × 3"),
    "dense, 1000",
]


def boxes(ax):
    """Return ``{(text, place among equals): extent in pixels}`` of all boxes and circles."""
    ax.figure.draw_without_rendering()
    found = {}
    for patch in ax.patches:
        if isinstance(patch, matplotlib.patches.FancyArrowPatch):
            continue
        extent = patch.get_path().get_extents(patch.get_patch_transform() + ax.transData)
        (text,) = (t for t in ax.texts if t.get_text() and extent.contains(*t.get_window_extent().get_points().mean(0)))
        found[text.get_text(), sum(text.get_text() == name for name, _ in found)] = extent
    return found


def arrows(ax):
    """Return the sorted pairs of boxes that arrows join, shortcuts followed from end to end."""
    places, pairs = boxes(ax), []

    def at(point):
        x, y = ax.transData.transform(point)
        inside = [name for name, box in places.items() if box.padded(2).contains(x, y)]
        return inside[0] if inside else tuple(np.round(point, 6))

    for patch in ax.patches:
        if isinstance(patch, matplotlib.patches.FancyArrowPatch):
            points = patch._path_original.vertices
            pairs.append((at(points[0]), at(points[-1])))
    names, through = places.keys(), [pair for pair in pairs if pair[1] not in places]
    joined = [(start, end) for start, end in pairs if start in names and end in names]
    joined += [(a, d) for a, b in through for c, d in pairs if b == c]
    return sorted((start[0], end[0]) for start, end in joined)


@pytest.mark.parametrize("block", [RESIDUAL, PROJECTION, INCEPTION, SPLIT, TOWERS, ["one"]])
@pytest.mark.parametrize("own", [True, False])
def test_nothing_in_a_block_overlaps(block, own):
    ax = plot_block(block, "A title", ax=None if own else plt.subplots(1, 2, figsize=(6, 3))[1][1])
    found = boxes(ax)
    texts = [text for text in ax.texts if text.get_text()]
    labels = [text for text in texts if text.get_text() not in {name for name, _ in found}]
    assert len(found) + len(labels) == len(texts)
    for (name, _), box in found.items():
        inside = [t.get_window_extent() for t in texts if t.get_text() == name]
        assert any(box.x0 < t.x0 and t.x1 < box.x1 and box.y0 < t.y0 and t.y1 < box.y1 for t in inside), name
    extents = [*found.values(), *(label.get_window_extent() for label in labels)]
    for index, extent in enumerate(extents):
        assert not any(extent.overlaps(other) for other in extents[:index])
        assert ax.bbox.padded(1).containsx(extent.x0) and ax.bbox.padded(1).containsx(extent.x1)
        assert ax.bbox.padded(1).containsy(extent.y0) and ax.bbox.padded(1).containsy(extent.y1)
    for patch in ax.patches:
        if isinstance(patch, matplotlib.patches.FancyArrowPatch):  # no line runs through a text
            line = patch._path_original.transformed(ax.transData)
            assert not any(line.intersects_bbox(text.get_window_extent(), filled=False) for text in texts)


def test_text_of_a_block_keeps_its_size_where_there_is_room():
    assert min(text.get_fontsize() for text in plot_block(INCEPTION, "A title").texts) == 8
    roomy, tight = (plot_block(INCEPTION, "t", plt.subplots(figsize=size)[1]) for size in ((12, 9), (3, 2)))
    assert roomy.texts[0].get_fontsize() == 9 and tight.texts[0].get_fontsize() < 6


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            RESIDUAL,
            [("input", "3 × 3, 64"), ("3 × 3, 64", "ReLU"), ("ReLU", "3 × 3, 64"), ("3 × 3, 64", "+"), ("input", "+")]
            + [("+", "sum")],
        ),
        (
            SPLIT,
            [("input", "a"), ("a", "concatenate"), ("input", "1 × 1, 384"), ("1 × 1, 384", "1 × 3, 384")]
            + [("1 × 1, 384", "3 × 1, 384"), ("1 × 3, 384", "concatenate"), ("3 × 1, 384", "concatenate")]
            + [("input", "concatenate")],
        ),
        (["a", [["b"], ["c"]], [["d"], ["e"]]], [("a", "b"), ("a", "c"), *((x, y) for x in "bc" for y in "de")]),
    ],
)
def test_arrows_join_what_the_block_says(block, expected):
    assert arrows(plot_block(block, "t")) == sorted(expected)


def test_branches_that_follow_one_another_stand_below_one_another():
    found = boxes(plot_block(TOWERS, "t"))
    columns = [[box.x0 + box.x1 for (_, index), box in found.items() if index == i] for i in (0, 1)]
    left, right = columns[0][1:-1], columns[1]
    assert np.ptp(left) < 1 and np.ptp(right) < 1 and left[0] < columns[0][0] < right[0]


@pytest.mark.parametrize(
    ("block", "received"),
    [
        ([], "block=\\[\\]"),
        ("input", "'input'"),
        (["input", ["a", "b"]], "'a'"),
        (["input", []], "\\[\\]"),
        (["input", [["a", 3]]], "3"),
        ([("a", "b", "c")], "('a', 'b', 'c')".replace("(", "\\(").replace(")", "\\)")),
        ([("a", 28)], "\\('a', 28\\)"),
    ],
)
def test_a_block_of_something_else_is_refused(block, received):
    with pytest.raises(ValueError, match=f"Received: {received}$"):
        plot_block(block, "t")
