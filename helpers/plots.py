"""Every picture of the course. A plot takes arrays, draws into ``ax`` or a new one, and returns it."""

import functools
import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Polyline
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator


def use_course_style():
    """Give every later plot the look of the course: colours and markers told apart in grey too."""
    plt.style.use(Path(__file__).with_name("course.mplstyle"))


def plot_images(images, titles=None, columns=8, heading=None, value_range=None, ax=None):
    """Draw images as a grid of tiles, with a title above each.

    Feature maps need what ``keras.visualization.plot_image_gallery`` has not: a grey scale for each tile.

    Args:
        images: array of shape ``(n, height, width)`` or ``(n, height, width, channels)`` with 1 or 3
            channels; colour is uint8 from 0 to 255 or float from 0 to 1.
        titles: n short texts, or None.
        columns: tiles per row.
        heading: the sentence that the grid shows.
        value_range: ``(black, white)`` of grey images; None gives each its own darkest and brightest.
        ax: matplotlib axes; a new figure if None.

    Returns:
        The axes drawn into.

    Raises:
        ValueError: images of another shape, none at all, or a different number of titles.

    Example::

        plot_images(images[:16], titles=[names[label] for label in labels[:16]])
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 and (images.ndim != 4 or images.shape[-1] != 3):
        raise ValueError(f"Give (n, height, width) or (n, height, width, 1 or 3). Received: shape={images.shape}")
    if len(images) == 0 or columns < 1:
        raise ValueError(f"Give an image and a column at least. Received: {len(images)} images, columns={columns!r}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"Give one title per image. Received: {len(titles)} titles, {len(images)} images")
    tile, columns = 7.0 / columns, min(columns, len(images))  # inches
    rows = -(-len(images) // columns)
    gap = 0.12 if titles is None else 0.34  # of a tile, above each
    if ax is None:
        ax = plt.subplots(figsize=(tile * columns, tile * rows * (1 + gap) / 1.06 + 0.35))[1]
    for index, image in enumerate(images):
        left, top = index % columns * 1.06, -(index // columns) * (1 + gap)
        black, white = value_range or (None, None)
        ax.imshow(image, extent=(left, left + 1, top - 1, top), interpolation="nearest", vmin=black, vmax=white)
        if titles is not None:
            size = max(7, min(9, tile * 6.5))
            ax.text(left + 0.5, top + 0.03, titles[index], ha="center", va="bottom", fontsize=size, linespacing=0.95)
    ax.set(xlim=(0, columns * 1.06 - 0.06), ylim=(-(rows - 1) * (1 + gap) - 1, gap), aspect="equal", title=heading)
    ax.axis("off")
    return ax


def plot_layers(shapes, title, ax=None):
    """Draw a network as the outputs of its layers: a stack of sheets for maps, a bar for a flat layer.

    Args:
        shapes: ``{layer: (height, width, channels) or (units,)}``; a stack has eight sheets at most.
        title: the sentence that the drawing shows.
        ax: matplotlib axes; a new figure if None.

    Returns:
        The axes drawn into.

    Example::

        plot_layers({"image": (28, 28, 1), "C1": (28, 28, 6), "logits": (10,)}, "A small network")
    """
    ax = ax or plt.subplots(figsize=(7.5, 2.4))[1]
    largest, most = (max(shape[0] for shape in shapes.values() if len(shape) == rank) for rank in (3, 1))
    left = 0.0
    for name, shape in shapes.items():
        sheets = min(shape[-1], 8) if len(shape) == 3 else 1
        height = shape[0] / largest if len(shape) == 3 else (shape[0] / most) ** 0.5
        width = height if len(shape) == 3 else 0.08
        size = " × ".join(map(str, shape))
        room = max(width + 0.05 * (sheets - 1), 0.06 * max(len(size), len(name)))
        corner = left + (room - width - 0.05 * (sheets - 1)) / 2
        for sheet in range(sheets):
            place = corner + 0.05 * sheet, -height / 2 - 0.05 * (sheet - (sheets - 1) / 2)
            ax.add_patch(plt.Rectangle(place, width, height, facecolor="#cfe3f1", edgecolor="C0", lw=0.8))
        ax.text(left + room / 2, -0.85, f"{name}\n{size}", ha="center", va="top", fontsize=8)
        left += room + 0.25
    ax.set(xlim=(-0.2, left), ylim=(-1.1, 0.7), aspect="equal", title=title)
    ax.axis("off")
    return ax


def plot_block(block, title, ax=None):
    """Draw a block of a network as boxes and arrows, from top to bottom.

    What follows in a list follows in the drawing. A text is a box, or a circle if it is one sign such as
    "+"; ``(text, label)`` puts a label, such as the shape, beside the arrow that leaves it, and an empty
    text leaves out the box. A list holds branches side by side, each a list again, and ``[]`` is a
    shortcut. Where one list of branches follows another, each of the upper is joined to each of the lower.

    Args:
        block: list of texts, pairs, and lists of branches.
        title: the sentence that the drawing shows.
        ax: matplotlib axes; a new figure of the drawing's size if None. The text has 9 points, and shrinks
            with the drawing where the axes are too small for it.

    Returns:
        The axes drawn into.

    Raises:
        ValueError: the block is empty, or holds something else.

    Example::

        plot_block(["input", [["3 × 3, 64", "ReLU", "3 × 3, 64"], []], "+", "ReLU"], "A residual block")
    """
    if not block:
        raise ValueError(f"Give one box at least. Received: block={block!r}")
    left, right, height = _block_size(block)  # inches, and so are the axes, unless they shrink
    height += 0.42 * isinstance(block[-1], tuple)
    if ax is None:
        width = max(left + right, _text_width(title, 11, "bold"))
        ax = plt.subplots(figsize=(width + 0.2, height + 0.5))[1]
    ax.set(title=title, xlim=(-left, right), ylim=(-height, 0))
    ax.axis("off")
    _, ends = _draw_block(ax, block, 0.0, 0.0)
    if isinstance(block[-1], tuple):
        _draw_arrow(ax, ends[0], (0.0, -height, "out"), -height)
    ax.figure.draw_without_rendering()  # gives the axes their place
    space = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    scale = min(1.0, space.width / (left + right), space.height / (height + 0.04))
    middle, wide, high = (right - left) / 2, space.width / scale / 2, space.height / scale / 2
    ax.set(xlim=(middle - wide, middle + wide), ylim=(-height / 2 - high, -height / 2 + high))
    for text in ax.texts:
        text.set_fontsize(scale * text.get_fontsize())
    return ax


@functools.cache
def _text_width(text, points, weight="normal"):
    """Return the inches that the longest line of a text takes."""
    font = FontProperties(weight=weight)
    return max(TextPath((0, 0), line + ".", points, prop=font).get_extents().x1 for line in text.split("\n")) / 72


def _parts(item):
    """Return the text of a box and the label of the arrow that leaves it."""
    text, label = item if isinstance(item, tuple) and len(item) == 2 else (item, "")
    if not isinstance(text, str) or not isinstance(label, str):
        raise ValueError(f"Give a text, a pair (text, label) or a list of branches. Received: {item!r}")
    return text, label


def _box_size(item, items):
    """Return width and height of a box; boxes that follow one another are as wide as the widest."""
    text = _parts(item)[0]
    if len(text) < 2:
        return 0.26 * len(text), 0.26 * len(text)
    widths = [_text_width(_parts(each)[0], 9) for each in items if not isinstance(each, list)]
    return max(widths) + 0.2, 0.14 + 0.16 * len(text.split("\n"))


def _gap(above, below):
    """Return the inches between two items: more where arrows part, meet, cross or carry a label."""
    if isinstance(above, list) and isinstance(below, list):
        return 0.7
    parting = isinstance(below, list) or isinstance(above, list) and len(_parts(below)[0]) > 1
    return 0.42 if parting or isinstance(above, tuple) else 0.28


def _block_size(items):
    """Return how far a sequence reaches to the left and the right of its axis, and its height, in inches."""
    if not isinstance(items, list):
        raise ValueError(f"A block, and each of its branches, is a list of what follows. Received: {items!r}")
    left, right, height = [0.1], [0.1], sum(_gap(*pair) for pair in itertools.pairwise(items))
    for item in items:
        if isinstance(item, list):
            sizes, axes = _columns(item, items)
            left.append(sizes[0][0] - axes[0])
            right.append(sizes[-1][1] + axes[-1])
            height += max(size[2] for size in sizes)
        else:
            width, tall = _box_size(item, items)
            left.append(width / 2 + 0.02)  # the box's edge
            right.append(max(width / 2 + 0.02, 0.1 + _text_width(_parts(item)[1], 8)))
            height += tall
    return max(left), max(right), height


def _columns(branches, items):
    """Return the size of each branch's column, and its axis counted from the middle of those with boxes."""
    if not branches:
        raise ValueError("A list of branches has one at least; a shortcut is an empty list in it. Received: []")
    alike = [item for item in items if isinstance(item, list) and len(item) == len(branches)]
    sizes = []
    for index, branch in enumerate(branches):  # the same columns where such branches follow again
        left, right, _ = np.max([_block_size(each[index]) for each in alike], axis=0)
        sizes.append((left, right, _block_size(branch)[2]))
    axes = [0.0]
    for before, after in itertools.pairwise(sizes):
        axes.append(axes[-1] + before[1] + 0.16 + after[0])
    full = [axis for axis, size in zip(axes, sizes) if size[2] > 0] or axes
    return sizes, [axis - (full[0] + full[-1]) / 2 for axis in axes]


def _draw_block(ax, items, x, top):
    """Draw a sequence around its axis, and return where arrows enter and leave it: ``(x, y, text)`` each."""
    entries, exits = [], []
    for index, item in enumerate(items or [""]):
        top -= _gap(items[index - 1], item) if index else 0.0
        if isinstance(item, list):
            sizes, axes = _columns(item, items)
            height = max(size[2] for size in sizes)
            drawn = [_draw_block(ax, branch, x + axis, top) for branch, axis in zip(item, axes)]
            starts, ends = (sum(each, []) for each in zip(*drawn))
        else:
            text, label = _parts(item)
            width, height = _box_size(item, items)
            _draw_box(ax, text, x, top, width, height)
            ax.text(x + 0.06, top - height - 0.11, label, va="center", fontsize=8)
            starts, ends = [(x, top, text)], [(x, top - height, text)]
        bend = top + 0.21 if min(len(exits), len(starts)) == 1 else None
        for start, end in itertools.product(exits, starts):
            _draw_arrow(ax, start, end, bend)
        entries, exits, top = entries or starts, ends, top - height
    return entries, exits


def _draw_box(ax, text, x, top, width, height):
    """Draw a box, or a circle around one sign, or nothing for no text."""
    if len(text) == 1:
        ax.add_patch(plt.Circle((x, top - height / 2), height / 2, facecolor="white", edgecolor="C0", lw=0.8))
    elif text:
        corner, style = (x - width / 2, top - height), "round,pad=0,rounding_size=0.04"
        ax.add_patch(FancyBboxPatch(corner, width, height, style, facecolor="#cfe3f1", edgecolor="C0", lw=0.8))
    ax.text(x, top - height / 2, text, ha="center", va="center_baseline", fontsize=9)


def _draw_arrow(ax, start, end, bend):
    """Draw an arrow that bends at a height, enters a circle from the side, or crosses others."""
    (x0, y0, _), (x1, y1, text) = start, end
    points = [(x0, y0), (x1, y1)]
    if bend is None:
        points[1:1] = [(x0, y0 - 0.2)]  # beside it is the place of a label
    elif x0 != x1 and len(text) == 1:
        points[1:] = [(x0, y1 - 0.13), (x1 + 0.13 * np.sign(x0 - x1), y1 - 0.13)]
    elif x0 != x1:
        points[1:1] = [(x0, bend), (x1, bend)]
    style = "-|>,head_length=0.5,head_width=0.25" if text else "-"
    look = {"fill": bool(text), "color": "#333333", "lw": 1, "snap": True}
    ax.add_patch(FancyArrowPatch(path=Polyline(points), arrowstyle=style, mutation_scale=10, **look))


def plot_curves(curves, xlabel, ylabel, title, ax=None):
    """Draw one line per entry, or a band from smallest to largest around the mean where there are seeds.

    Args:
        curves: ``{label: array}`` of shape ``(points,)``, or ``(seeds, points)`` for a band.
        xlabel, ylabel: what the axes show, with unit; points count from 1.
        title: the sentence that the plot shows.
        ax: matplotlib axes; a new figure if None.

    Returns:
        The axes drawn into.

    Example::

        plot_curves({"training": history["loss"]}, "epoch", "loss (nats)", "The loss falls")
    """
    ax = ax or plt.subplots()[1]
    for (label, values), marker in zip(curves.items(), itertools.cycle("os^DvP*X")):
        seeds = np.atleast_2d(values)
        points = np.arange(1, seeds.shape[1] + 1)
        (line,) = ax.plot(points, seeds.mean(axis=0), marker=marker, label=label)
        if len(seeds) > 1:
            ax.fill_between(points, seeds.min(axis=0), seeds.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def plot_by_seed(scores, xlabel, title, ax=None):
    """Draw one row of points per recipe, a point per seed, with the mean as a line.

    Args:
        scores: ``{recipe: one value per seed}``, drawn from top to bottom.
        xlabel: what the values are, with unit.
        title: the sentence that the plot shows.
        ax: matplotlib axes; a new figure if None.

    Returns:
        The axes drawn into.
    """
    ax = ax or plt.subplots(figsize=(6.0, 0.6 + 0.55 * len(scores)))[1]
    for row, values in enumerate(scores.values()):
        ax.plot(values, [row] * len(values), "o", color="C0", alpha=0.6)
        ax.vlines(np.mean(values), row - 0.3, row + 0.3, color="black", lw=1.5)
    ax.set(title=title, xlabel=xlabel, yticks=range(len(scores)), yticklabels=scores, ylim=(len(scores) - 0.5, -0.5))
    ax.grid(axis="x")
    return ax
