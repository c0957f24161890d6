"""Drawings of networks: the outputs of the layers, and a block as boxes and arrows."""

import functools
import itertools

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Polyline
from matplotlib.textpath import TextPath


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
