"""The repository's address: it stands in ``pyproject.toml``, and all other places are written from there."""

import os
import re
import tomllib

from helpers.lessons import ROOT, write_whole

PLACES = ("*.md", "CITATION.cff", "lessons/*.py", "notebooks/*.ipynb", "pyproject.toml")  # the last is written last


def read_address(root=ROOT):
    """Return the repository's address, such as ``https://github.com/NAME/COURSE``.

    Args:
        root: folder of the course.

    Raises:
        ValueError: ``pyproject.toml`` has something else there.
    """
    with open(root / "pyproject.toml", "rb") as file:
        urls = tomllib.load(file)["project"].get("urls", {})
    return _checked(urls.get("Repository", ""), "pyproject.toml's Repository")


def write_address(address, root=ROOT):
    """Write an address into badges, bootstrap cells, citation and wherever else the present one stands.

    Badges and bootstrap cells of another address get it too, as in a lesson taken over from another fork.
    ``pyproject.toml`` comes last: after a kill, the same call goes on with the rest.

    Args:
        address: ``https://github.com/OWNER/NAME``; a slash or ``.git`` at its end is dropped.
        root: folder of the course.

    Returns:
        List of the paths of the files that were changed.

    Raises:
        ValueError: the address is not of this form; nothing is written then.
    """
    new, old = (each.removeprefix("https://github.com/") for each in (_checked(address, "address"), read_address(root)))
    any_name = r"[\w.-]+/[\w.-]+"
    patterns = (
        rf"(colab\.research\.google\.com/github/){any_name}(?=/blob/main/notebooks/)",
        rf"(git clone .*https://github\.com/){any_name}(?= course\b)",
        rf"(github\.com/){re.escape(old)}(?![\w-]|\.\w)",
    )
    changed = {}
    for path in (path for place in PLACES for path in sorted(root.glob(place))):
        before = after = path.read_bytes().decode("utf-8")  # with its own line ends
        for pattern in patterns:
            after = re.sub(pattern, rf"\g<1>{new}", after)
        if after != before:
            changed[path] = after
    for path, text in changed.items():
        modified = path.stat().st_mtime_ns
        write_whole(path, text)
        if path.suffix == ".toml":  # make would take it for changed dependencies, and install them again
            os.utime(path, ns=(modified, modified))
    return list(changed)


def _checked(address, where):
    """Return an address without what may stand at its end."""
    plain = address.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[A-Za-z0-9-]+/(?!\.\.?$)[A-Za-z0-9._-]+", plain):
        raise ValueError(f"An address is like https://github.com/OWNER/NAME. Received: {where}={address!r}")
    return plain
