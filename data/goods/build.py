"""Build the goods data set from two Debian packages.

    apt-get download openclipart-png tuxpaint-stamps-default    # 0.18+dfsg-19, 2022.06.04-1
    dpkg-deb -x openclipart-png_*.deb unpacked; dpkg-deb -x tuxpaint-stamps-default_*.deb unpacked
    pip install imagehash pillow scikit-learn; apt-get install librsvg2-bin
    python data/goods/build.py unpacked

The folders of the packages say what is in a picture; curation.csv corrects them by eye, picture by picture.
"""

import csv
import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

GOODS = Path(__file__).resolve().parent
ROOTS = {"openclipart": "usr/share/openclipart/png", "stamps": "usr/share/tuxpaint/stamps"}
FOLDERS = {
    "animal": ["openclipart/animals", "stamps/animals"],
    "building": ["openclipart/buildings", "stamps/town"],
    "clothing": ["openclipart/people/clothing", "stamps/clothes"],
    "electronics": [
        "openclipart/electronics",
        "openclipart/computer/hardware",
        "openclipart/office/telephone",
        "stamps/household/electronics",
    ],
    "food": ["openclipart/food", "stamps/food"],
    "kitchen": ["openclipart/containers", "stamps/household/dishes"],
    "music": ["openclipart/recreation/music", "stamps/hobbies/music"],
    "plant": ["openclipart/plants", "stamps/plants"],
    "sport": ["openclipart/recreation/sports", "stamps/sports"],
    "stationery": ["openclipart/education", "openclipart/office", "stamps/household/arttools"],
    "tool": ["openclipart/tools", "stamps/household/tools"],
    "vehicle": ["openclipart/transportation", "stamps/vehicles"],
}
SKIPPED = ("roadsigns", "aiga-symbols", "weapons", "tools/toys", "pantyhose", "hummers")  # signs, and near-copies
SIDE = 128  # pixels
SAME_CLASS, OTHER_CLASS, REJECTED = 60, 44, 20  # of 256 bits; nearer than this is the same drawing, as pairs showed
SEED = 0


def main(unpacked):
    """Write the pictures, ``splits.csv``, and the sheets of the card."""
    pictures = {}
    for picture, label in classes(unpacked).items():
        image = square(read(unpacked / ROOTS[picture.split("/")[0]] / picture.split("/", 1)[1]))
        if image is not None:
            pictures[picture] = image, label
    pictures = without_near_duplicates(pictures)

    for label in FOLDERS:
        shutil.rmtree(GOODS / label, ignore_errors=True)
        (GOODS / label).mkdir()
    labels = [label for _, label in pictures.values()]
    rest, test = train_test_split(sorted(pictures), test_size=0.1, random_state=SEED, stratify=_labels(pictures))
    train, validation = train_test_split(rest, test_size=2 / 9, random_state=SEED, stratify=_labels(pictures, rest))
    rows = []
    for split, chosen in (("train", train), ("validation", validation), ("test", test)):
        for picture in chosen:  # train_test_split has shuffled them: a slice is a fair sample
            image, label = pictures[picture]
            path = GOODS / label / f"{Path(picture).stem.strip('_').lower()}.jpg"
            if path.exists():
                path = path.with_name(f"{path.stem}_2.jpg")
            assert not path.exists(), f"a third {path.name}"
            image.save(path, quality=80, optimize=True)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            rows.append((f"{label}/{path.name}", label, split, picture, digest))
    with open(GOODS / "splits.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "class", "split", "source", "sha256"))
        writer.writerows(rows)
    for label in FOLDERS:
        counts = [sum(row[1:3] == (label, split) for row in rows) for split in ("train", "validation", "test")]
        print(f"{label:12} {counts} of {labels.count(label)}")
    print("sha256 of splits.csv:", hashlib.sha256((GOODS / "splits.csv").read_bytes()).hexdigest())
    draw_sheets(pictures)


def curation():
    """Return ``{picture: class}`` as decided by eye; a picture that was rejected has the class ``""``."""
    with open(GOODS / "curation.csv", newline="", encoding="utf-8") as file:
        return {row["picture"]: row["class"] for row in csv.DictReader(file)}


def classes(unpacked):
    """Return ``{picture: class}`` by folder and curation; a picture is named ``openclipart/...`` or ``stamps/...``."""
    found = {}
    for label, folders in FOLDERS.items():
        for folder in folders:
            package, inside = folder.split("/", 1)
            root = unpacked / ROOTS[package]
            for path in sorted((root / inside).rglob("*")):
                picture = f"{package}/{path.relative_to(root)}"
                if path.suffix in (".png", ".svg") and not any(word in picture for word in SKIPPED):
                    if path.suffix == ".png" or not path.with_suffix(".png").exists():
                        found.setdefault(picture, label)
    return {**found, **curation()}


def read(path):
    """Return a picture as RGBA."""
    if path.suffix == ".svg":
        drawn = subprocess.run(["rsvg-convert", "-w", "400", "-a", path], capture_output=True, check=True).stdout
        return Image.open(io.BytesIO(drawn)).convert("RGBA")
    return Image.open(path).convert("RGBA")


def square(picture, border=0.04):
    """Return a picture on white, cropped to what is drawn, in the middle of a square; None if nothing is."""
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    drawn = np.asarray(picture).min(axis=-1) < 245
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    picture = picture.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    side = round(max(picture.size) * (1 + 2 * border))
    whole = Image.new("RGB", (side, side), "white")
    whole.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)


def without_near_duplicates(pictures):
    """Keep one of those that are the same drawing, in other colours or mirrored: the most colourful.

    A copy of a rejected picture is rejected too, and one that was given a class by hand comes before its copies.
    """
    curated = curation()

    def order(name):
        image, label = pictures[name]
        return label != "", name not in curated, -_colour(image), name

    seen, hashes = [], []
    for name in sorted(pictures, key=order):
        image, label = pictures[name]
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        own = [imagehash.phash(each, hash_size=16).hash.ravel() for each in (image, mirrored)]
        limits = [_limit(label, pictures[other][1]) for other in seen]
        distances = np.array([[np.sum(each != other) for other in hashes] for each in own]).reshape(2, -1)
        if (distances >= limits).all():
            seen.append(name)
            hashes.append(own[0])
    return {name: pictures[name] for name in sorted(seen) if pictures[name][1]}


def draw_sheets(pictures, side=36, columns=28):
    """Write one sheet of small pictures per class into ``sheets/``."""
    (GOODS / "sheets").mkdir(exist_ok=True)
    for label in FOLDERS:
        images = [image for image, own in pictures.values() if own == label]
        sheet = Image.new("RGB", (columns * side, -(-len(images) // columns) * side), "white")
        for index, image in enumerate(images):
            small = image.resize((side - 4, side - 4), Image.Resampling.LANCZOS)
            sheet.paste(small, (index % columns * side + 2, index // columns * side + 2))
        sheet.save(GOODS / "sheets" / f"{label}.jpg", quality=60, optimize=True)


def _colour(image):
    """Return how far from grey a picture is on average, in grey levels."""
    pixels = np.asarray(image, int)
    return float((pixels.max(axis=-1) - pixels.min(axis=-1)).mean())


def _limit(label, other):
    """Return how many bits two pictures of these classes must differ in, not to be the same drawing."""
    return REJECTED if not (label and other) else SAME_CLASS if label == other else OTHER_CLASS


def _labels(pictures, names=None):
    return [pictures[name][1] for name in (sorted(pictures) if names is None else names)]


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None  # these files are known; some are drawn very large
    if len(sys.argv) != 2 or not all((Path(sys.argv[1]) / root).exists() for root in ROOTS.values()):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
