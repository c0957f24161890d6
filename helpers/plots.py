"""Every picture of the course. A plot takes arrays, draws into ``ax`` or a new one, and returns it."""

import base64
import io
import itertools
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image


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


def plot_trade_off(costs, qualities, areas, names, xlabel, ylabel, title, ax=None):
    """Draw networks as discs: what each costs, on a logarithmic axis, what it is worth, and its size as area.

    Args:
        costs: one positive number per network.
        qualities: one number per network.
        areas: one positive number per network, such as its parameters: the area of its disc. The largest disc is
            half an inch wide, and none is smaller than a dot. None draws points of one size.
        names: one short text per network; it stands beside the disc, where it covers least of the others.
        xlabel, ylabel: what the axes show, with unit.
        title: the sentence that the plot shows.
        ax: matplotlib axes; a new figure if None.

    Returns:
        The axes drawn into.

    Raises:
        ValueError: no network, lists of unequal lengths, or a cost or area that is not positive.

    Source: Canziani, Paszke and Culurciello, 2016, "An Analysis of Deep Neural Network Models for Practical
    Applications", figure 2.

    Example::

        plot_trade_off([0.7, 15.5], [56.5, 71.3], [61, 138], ["AlexNet", "VGG16"], "multiply-adds", "top-1 (%)", "t")
    """
    sizes, largest = (np.ones(len(costs)), 3.6) if areas is None else (np.asarray(areas, float), 18.0)  # points
    if len({len(costs), len(qualities), len(sizes), len(names)}) > 1 or not len(names) or min(*costs, *sizes) <= 0:
        received = f"costs={list(costs)}, qualities={list(qualities)}, areas={sizes.tolist()}, names={list(names)}"
        raise ValueError(f"Give each network a cost and an area above zero, a quality and a name. Received: {received}")
    ax = ax or plt.subplots(figsize=(7.0, 4.2))[1]
    radii = np.maximum(2.0, largest * np.sqrt(sizes / sizes.max()))
    ax.scatter(costs, qualities, s=(2 * radii) ** 2, facecolor="#cfe3f1", edgecolor="C0", lw=0.8, alpha=0.8)
    ax.scatter(costs, qualities, s=6, color="C0")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log")
    ax.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_formatter="")
    ax.margins(0.12, 0.14)
    ax.figure.draw_without_rendering()  # gives the axes their place
    centres, pixels = ax.transData.transform(np.column_stack([costs, qualities])), radii * ax.figure.dpi / 72
    taken = [Bbox.from_bounds(x - r, y - r, 2 * r, 2 * r) for (x, y), r in zip(centres, pixels)]
    for name, cost, quality, radius in zip(names, costs, qualities, radii):
        text = ax.annotate(name, (cost, quality), (0, 0), textcoords="offset points", fontsize=8)
        places = {}
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            text.set(ha=("center", "left", "right")[x], va=("center_baseline", "bottom", "top")[y])
            text.xyann = tuple(np.array([x, y]) / np.hypot(x, y) * (radius + 2))
            box = text.get_window_extent()
            outside = box.width * box.height - _covered(box, [ax.bbox])
            places[text.xyann, text.get_ha(), text.get_va()] = box, _covered(box, taken) + outside
        (text.xyann, ha, va), (box, _) = min(places.items(), key=lambda place: place[1][1])
        text.set(ha=ha, va=va)
        taken.append(box)
    return ax


def animate(figure, draw, frames, seconds=0.25, alt="", colors=40):
    """Return a moving picture, small enough for a notebook: a GIF that starts anew after its end.

    The figure is closed, and its layout is that of the first frame.

    Args:
        figure: matplotlib figure.
        draw: function of the number of the frame, from 0; it changes what the figure shows.
        frames: number of frames.
        seconds: time of each; the last one stays for two seconds more.
        alt: what the picture shows, in words, for those who cannot see it.
        colors: number of colours, 2 to 256, chosen from the last frame; the file grows with it.

    Returns:
        ``IPython.display.HTML``, the last line of a cell shows it.

    Raises:
        ValueError: no frame, no time, or a number of colours that a GIF has not.

    Example::

        animate(figure, lambda i: line.set_data(x[: i + 1], y[: i + 1]), frames=len(x), alt="a walk")
    """
    if frames < 1 or seconds <= 0 or not 2 <= colors <= 256:
        received = f"frames={frames}, seconds={seconds}, colors={colors}"
        raise ValueError(f"Give a frame at least, some time, and 2 to 256 colours. Received: {received}")
    pictures = []
    for index in range(frames):
        draw(index)
        figure.canvas.draw()
        figure.set_layout_engine("none")  # found once, it stays
        pictures.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"))
    plt.close(figure)
    palette = pictures[-1].quantize(colors, Image.Quantize.MAXCOVERAGE)  # one for all: the file keeps changes only
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations, file = [round(1000 * seconds)] * frames, io.BytesIO()  # milliseconds
    durations[-1] += 2000
    pictures[0].save(file, "gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    content = base64.b64encode(file.getvalue()).decode()
    return HTML(f'<img alt="{escape(alt)}" src="data:image/gif;base64,{content}">')


def _covered(box, others):
    """Return the area of a box that others cover."""
    common = [Bbox.intersection(box, other) for other in others]
    return sum(each.width * each.height for each in common if each)
