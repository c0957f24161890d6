import csv
import shutil

import numpy as np
import pytest
import requests
from scipy.spatial.distance import cdist

from helpers import datasets, embedded
from helpers.datasets import BalancedBatches, class_names, load_arrays, load_dataset
from helpers.embedded import parse_split


def test_fashion_mnist_is_whole():
    for split, size in (("train", 60000), ("test", 10000)):
        images, labels = load_arrays("fashion_mnist", split)
        assert (images.shape, images.dtype) == ((size, 28, 28, 1), np.uint8)
        assert (labels.shape, labels.dtype) == ((size,), np.int64)
        assert np.bincount(labels).tolist() == [size // 10] * 10


def test_goods_are_whole():
    names = class_names("goods")
    counts = {}
    for split, size in (("train", 1029), ("validation", 294), ("test", 148)):
        images, labels = load_arrays("goods", split)
        assert (images.shape, images.dtype) == ((size, 128, 128, 3), np.uint8)
        assert (labels.shape, labels.dtype) == ((size,), np.int64)
        counts[split] = np.bincount(labels, minlength=len(names))
    of_class = sum(counts.values())
    for split, share in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
        assert np.abs(counts[split] - share * of_class).max() <= 1, "each split holds its share of every class"
    assert len(set(load_arrays("goods", "train[:200]")[1])) == len(names), "a slice holds all classes"


def test_goods_are_told_by_folder_and_none_lies_there_unlisted():
    folder = embedded.DATA / "goods"
    with open(folder / "splits.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["file"].split("/")[0] == row["class"] for row in rows)
    listed, there = sorted(row["file"] for row in rows), sorted(folder.glob("*/*.jpg"))
    assert listed == [path.relative_to(folder).as_posix() for path in there if path.parent.name != "sheets"]
    assert len({row["source"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)


def test_goods_of_one_split_are_not_in_another():
    def blurred(split):  # 8 x 8 means and their mirror images, in grey levels from 0 to 255
        images, _ = load_arrays("goods", split)
        small = images.reshape(len(images), 8, 16, 8, 16, 3).mean(axis=(2, 4))
        return np.concatenate([small, small[:, :, ::-1]]).reshape(2 * len(images), -1)

    train, held_out = blurred("train"), blurred("validation+test")[:442]
    nearest = cdist(held_out, train, "cityblock") / train.shape[1]
    assert nearest.min() > 2, "a copy lies within 1 grey level, as JPEG files do"


def test_labels_belong_to_images():
    images, labels = load_arrays("fashion_mnist", "test[:10]")
    assert labels.tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]  # as every table of this test set begins
    assert class_names("fashion_mnist")[labels[0]] == "Ankle boot"
    sole, sky = images[0, 18:21], images[0, :7]
    assert sole.mean() > 100 and sky.max() == 0


def test_arrays_can_be_written_to():
    images, labels = load_arrays("fashion_mnist", "test[:2]")
    images[0], labels[0] = 0, 0


def test_splits_join_and_overlap_nowhere():
    whole = load_arrays("fashion_mnist", "test")[0]
    parts = [load_arrays("fashion_mnist", split)[0] for split in ("test[:70%]", "test[70%:90%]", "test[-10%:]")]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(load_arrays("fashion_mnist", "test[:3]+test[-3:]")[0], whole[[0, 1, 2, -3, -2, -1]])


@pytest.mark.parametrize("name", ["train", "test"])
def test_split_language_is_that_of_tfds(name):
    import tensorflow_datasets as tfds

    sizes = {"train": 60003, "test": 997}
    infos = {
        key: tfds.core.splits.SplitInfo(name=key, shard_lengths=[size], num_bytes=0, filename_template=None)
        for key, size in sizes.items()
    }
    ends = ["", "0", "1", "417", "-1", "-417", "0%", "1%", "33%", "50%", "99%", "100%", "-1%", "-33%"]
    compared = 0
    for start in ends:
        for stop in ends:
            split = f"{name}[{start}:{stop}]" if start or stop else name
            if start and stop and start.endswith("%") != stop.endswith("%"):
                with pytest.raises(ValueError, match="A split reads like"):
                    parse_split(split, sizes)
                continue
            (theirs,) = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
            expected = (name, theirs.from_ or 0, sizes[name] if theirs.to is None else theirs.to)
            if expected[1] < expected[2]:
                assert parse_split(split, sizes) == [expected], split
            compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    "split",
    ["trai", "train[", "train[:60001]", "train[5:3]", "train[5:5]", "train[9:50%]", "train[::2]", "train[3]", "", "+"],
)
def test_bad_split_is_named(split):
    with pytest.raises(ValueError, match="Received: split="):
        load_arrays("fashion_mnist", split)


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A copy of the embedded data whose test labels a test may damage."""
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    for path in (embedded.DATA / "fashion_mnist").glob("[Rt][E1]*"):  # the card and the test files
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(embedded, "DATA", tmp_path)
    assert len(load_arrays("fashion_mnist", "test")[1]) == 10000
    return folder / "t10k-labels-idx1-ubyte.gz"


def test_altered_file_is_refused(damaged):
    import gzip

    content = bytearray(gzip.decompress(damaged.read_bytes()))
    content[5000] ^= 1
    damaged.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(ValueError, match="t10k-labels.*not the file"):
        load_arrays("fashion_mnist", "test")


@pytest.mark.parametrize("damage", [lambda raw: raw[:-100], lambda raw: b"", lambda raw: b"<html>" + raw[6:]])
def test_unreadable_file_is_refused(damaged, damage):
    damaged.write_bytes(damage(damaged.read_bytes()))
    with pytest.raises(ValueError, match="Cannot read t10k-labels.*data/fashion_mnist"):
        load_arrays("fashion_mnist", "test")


def test_missing_file_is_named(damaged):
    damaged.unlink()
    with pytest.raises(ValueError, match="t10k-labels"):
        load_arrays("fashion_mnist", "test")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("splits.csv", lambda path: path.write_text(path.read_text().replace("validation", "train"))),
        ("building/townhall.jpg", lambda path: path.write_bytes(path.read_bytes()[:-9])),
        ("building/townhall.jpg", lambda path: path.unlink()),
    ],
    ids=["table altered", "picture cut off", "picture missing"],
)
def test_altered_goods_are_refused(tmp_path, monkeypatch, file, damage):
    shutil.copytree(embedded.DATA / "goods", tmp_path / "goods")
    monkeypatch.setattr(embedded, "DATA", tmp_path)
    assert len(load_arrays("goods", "train[:1]")[1]) == 1
    damage(tmp_path / "goods" / file)
    with pytest.raises(ValueError, match=f"{file.split('/')[-1]}.*git checkout -- data/goods"):
        load_arrays("goods", "train[:1]")


def test_dataset_has_batches_in_order_or_shuffled_from_a_seed():
    images, labels = load_arrays("fashion_mnist", "test[:100]")
    in_order = load_dataset("fashion_mnist", "test[:100]", batch_size=32, shuffle=False)
    batches = list(in_order.as_numpy_iterator())
    assert [len(batch[0]) for batch in batches] == [32, 32, 32, 4]
    assert np.array_equal(np.concatenate([batch[0] for batch in batches]), images)

    def order(seed):
        dataset = load_dataset("fashion_mnist", "test[:100]", batch_size=100, seed=seed)
        return [next(dataset.as_numpy_iterator())[1].tolist() for _ in range(2)]

    first, second = order(seed=1)
    assert first != second and sorted(first) == sorted(labels.tolist())
    assert order(seed=1)[0] == first and order(seed=2)[0] != first


def test_images_are_resized():
    images, _ = load_arrays("fashion_mnist", "test[:4]", image_size=(14, 14))
    original, _ = load_arrays("fashion_mnist", "test[:4]")
    assert (images.shape, images.dtype) == ((4, 14, 14, 1), np.uint8)
    assert np.allclose(images.mean(axis=(1, 2, 3)), original.mean(axis=(1, 2, 3)), rtol=0.03)


def test_fine_stripes_become_grey_when_made_small(monkeypatch):
    stripes = np.tile(np.array([255, 0], "uint8"), (1, 28, 14)).reshape(1, 28, 28, 1)
    monkeypatch.setattr(datasets, "embedded_arrays", lambda *_: (stripes, np.zeros(1, "int64")))
    small, _ = load_arrays("fashion_mnist", "test", image_size=(7, 7))
    assert 100 < small.min() and small.max() < 155


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 32}, "Received: image_size=32"),
        ({"image_size": (0, 8)}, "Received: image_size=\\(0, 8\\)"),
        ({"batch_size": 0}, "Received: batch_size=0"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("fashion_mnist", "test[:8]", **arguments)


def test_unknown_name_lists_what_is_embedded():
    with pytest.raises(ValueError, match="fashion_mnist.*Received: name='fashion_mnits'"):
        load_arrays("fashion_mnits")
    assert embedded.embedded_names() == ["fashion_mnist", "goods"]


@pytest.fixture
def tfds_mock(monkeypatch, tmp_path):
    """TensorFlow Datasets that answers with random examples and needs no network."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(datasets, "_require_network", lambda builder: None)
    with tfds.testing.mock_data(num_examples=12):
        yield tmp_path


def test_any_other_name_comes_from_tfds(tfds_mock):
    images, labels = load_arrays("mnist", "train", data_dir=tfds_mock)
    assert (images.shape, images.dtype, labels.dtype) == ((12, 28, 28, 1), np.uint8, np.int64)
    assert class_names("mnist", data_dir=tfds_mock) == list("0123456789")
    batch_images, batch_labels = next(iter(load_dataset("cifar10", batch_size=5, data_dir=tfds_mock)))
    assert tuple(batch_images.shape) == (5, 32, 32, 3) and tuple(batch_labels.shape) == (5,)


def test_images_of_many_sizes_need_one(tfds_mock):
    with pytest.raises(ValueError, match="image_size=.*Received: name='imagenette'"):
        load_dataset("imagenette", data_dir=tfds_mock)
    with pytest.raises(ValueError, match="image_size="):
        load_arrays("imagenette", data_dir=tfds_mock)
    images, _ = load_arrays("imagenette", image_size=(32, 48), data_dir=tfds_mock)
    assert images.shape == (12, 32, 48, 3)


def test_label_must_be_chosen_among_several(tfds_mock):
    with pytest.raises(ValueError, match="super_class_id.*Received: label_key=None"):
        load_dataset("stanford_online_products", image_size=(8, 8), data_dir=tfds_mock)
    products = load_dataset(
        "stanford_online_products", image_size=(8, 8), label_key="super_class_id", data_dir=tfds_mock
    )
    assert max(int(label) for _, labels in products for label in labels) < 12
    with pytest.raises(ValueError, match="no image with one class label.*'voc'"):
        class_names("voc", data_dir=tfds_mock)


def test_without_a_network_the_error_says_what_to_run(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", unreachable)
    with pytest.raises(ConnectionError, match=f"tfds build mnist.*{tmp_path}.*fashion_mnist"):
        load_arrays("mnist", data_dir=tmp_path)
    assert not list(tmp_path.rglob("*.tmp*"))


def test_balanced_batches_hold_each_class_equally_often():
    labels = np.repeat([0, 1, 4], [90, 9, 1])
    batches = BalancedBatches(np.arange(100), labels, batch_size=8, batches=300, seed=1)
    drawn = [batches[index] for index in range(len(batches))]
    for images, answers in drawn:
        counts = np.bincount(answers, minlength=5)[[0, 1, 4]]
        assert len(answers) == 8 and np.array_equal(labels[images], answers) and np.ptp(counts) <= 1
    counts = np.bincount(np.concatenate([answers for _, answers in drawn]))[[0, 1, 4]]
    assert np.abs(counts - 800).max() < 40, "no class is always the one that a batch holds once more"
    assert set(np.concatenate([images for images, _ in drawn])) == set(range(100))


def test_balanced_batches_are_drawn_anew_in_each_epoch_and_the_same_from_a_seed():
    def epochs(seed):
        batches = BalancedBatches(np.arange(60), np.repeat([0, 1], 30), batch_size=10, seed=seed)
        assert len(batches) == 6
        for _ in range(2):
            yield [batches[index][0].tolist() for index in (3, 0)]
            batches.on_epoch_end()

    assert list(epochs(0)) == list(epochs(0)) != list(epochs(1))
    first, second = epochs(0)
    assert first != second


def test_balanced_batches_augment_and_serve_fit():
    import keras

    images, labels = np.ones((20, 4), "float32"), np.repeat([0, 1], [18, 2])
    batches = BalancedBatches(images, labels, batch_size=4, augment=lambda batch: batch + 1)
    assert (batches[0][0] == 2).all() and (images == 1).all()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(batches, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2 and batches.epoch >= 2


def test_balanced_batches_want_a_label_for_each_image():
    with pytest.raises(ValueError, match="a label for each image.*Received: 3 images, 2 labels"):
        BalancedBatches(np.zeros((3, 2)), np.zeros(2))
