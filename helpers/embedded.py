"""The data sets and weights that come with the course: their cards, splits and files, verified whenever read."""

import csv
import hashlib
import io
import re
import zlib
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

DATA = Path(__file__).resolve().parent.parent / "data"
SPLIT = re.compile(r"(?P<name>\w+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


def embedded_names():
    """Return the names of the data sets that come with the course."""
    return sorted(card.parent.name for card in DATA.glob("*/README.md") if "splits" in read_card(card.parent.name))


def read_card(name):
    """Return the front matter of an embedded data set's card, ``data/NAME/README.md``, as a dictionary."""
    _, front_matter, _ = (DATA / name / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front_matter)


def embedded_file(folder, name):
    """Return the path of a file that a card of ``data/`` lists under ``files``, after it was verified.

    Args:
        folder: such as ``"weights"``.
        name: of the file.

    Raises:
        ValueError: no card lists it, or it is missing or not what the card describes.
    """
    files = read_card(folder).get("files", {}) if (DATA / folder / "README.md").exists() else {}
    if name not in files:
        known = ", ".join(files) or "none"
        raise ValueError(f"Files listed in data/{folder}: {known}. Received: folder={folder!r}, name={name!r}")
    _read_verified(DATA / folder / name, files[name]["sha256"])
    return DATA / folder / name


def embedded_arrays(name, split):
    """Load a split of an embedded data set, its files verified.

    Args:
        name: one of ``embedded_names()``.
        split: as for ``parse_split``.

    Returns:
        ``(images, labels)``: uint8 of shape ``(n, height, width, channels)``, int64 of shape ``(n,)``.

    Raises:
        ValueError: a bad split, or a file that is missing or not what its card describes.
    """
    card = read_card(name)
    sizes = {key: files["examples"] for key, files in card["splits"].items()}
    read = {"idx": _read_idx_split, "pictures": _read_pictures}[card["format"]]
    parts = [read(DATA / name, card, *chosen) for chosen in parse_split(split, sizes)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts))
    return images, labels.astype("int64")


def _read_idx_split(folder, card, split_name, start, stop):
    """Return examples of a data set that is four gzipped IDX files."""
    files = card["splits"][split_name]
    images, labels = (_read_idx(folder / files[key]["file"], files[key]["sha256"]) for key in ("images", "labels"))
    return images[start:stop, ..., np.newaxis], labels[start:stop]


def _read_idx(path, sha256):
    """Return the uint8 array of a gzipped IDX file, after its decompressed bytes were verified."""
    try:
        content = zlib.decompress(path.read_bytes(), wbits=31)  # 31: a gzip file
    except (OSError, zlib.error) as error:
        raise ValueError(f"Cannot read {path.name}; {_remedy(path)}. ({error})") from error
    _verify(path, content, sha256)
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _read_pictures(folder, card, split_name, start, stop):
    """Return examples of a data set that is a folder of pictures per class, in the order of its ``splits.csv``."""
    table = _read_verified(folder / "splits.csv", card["sha256"]).decode().splitlines()
    rows = [row for row in csv.DictReader(table) if row["split"] == split_name][start:stop]
    contents = [_read_verified(folder / row["file"], row["sha256"]) for row in rows]
    images = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in contents])
    return images, np.array([card["classes"].index(row["class"]) for row in rows])


def _read_verified(path, sha256):
    """Return the bytes of a file, after they were verified."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"Cannot read {path.name}; {_remedy(path)}. ({error.strerror})") from error
    _verify(path, content, sha256)
    return content


def _verify(path, content, sha256):
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that its card describes; {_remedy(path)}.")


def _remedy(path):
    folder = f"data/{path.relative_to(DATA).parts[0]}"
    return f"`git checkout -- {folder}` restores it, or copy {folder} anew"


def parse_split(split, sizes):
    """Turn a split as TensorFlow Datasets writes it into ranges of examples, without importing it.

    Args:
        split: such as ``"train"``, ``"train[:4000]"``, ``"train[-10%:]"``, ``"train[:1%]+test"``; the
            units within one slice are examples or per cent, not both.
        sizes: ``{split name: number of examples}``.

    Returns:
        List of ``(split name, start, stop)`` with ``0 <= start < stop <= size``.

    Raises:
        ValueError: the split cannot be read, is unknown, or asks for more than there is.
    """
    ranges = []
    for part in split.split("+"):
        match = SPLIT.fullmatch(part.strip())
        ends = [end for end in match.group("start", "stop") if end] if match else []
        if match is None or len({end.endswith("%") for end in ends}) > 1:
            raise ValueError(f'A split reads like "train", "train[:4000]" or "train[80%:]". Received: split={split!r}')
        if match["name"] not in sizes:
            raise ValueError(f"Known splits: {', '.join(sizes)}. Received: split={split!r}")
        size = sizes[match["name"]]
        start, stop = (_boundary(match[end], size, default) for end, default in (("start", 0), ("stop", size)))
        if not 0 <= start < stop <= size:
            raise ValueError(f"{match['name']} has {size} examples, to be sliced forwards. Received: split={split!r}")
        ranges.append((match["name"], start, stop))
    return ranges


def _boundary(text, size, default):
    """Return one end of a slice, ``"4000"``, ``"-10%"`` or None, as an index into ``size`` examples."""
    if text is None:
        return default
    index = round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)
    return size + index if index < 0 else index
