"""A lesson's twin in ``notebooks/``: the same cells, executed, in few bytes."""

import base64
import copy
import io

import nbformat
from PIL import Image

from helpers.lessons import read_page


def twin(executed):
    """Return an executed notebook as git keeps it: cells, tags and outputs; no times, pictures in fewer bytes.

    Args:
        executed: a notebook as papermill leaves it; it is not changed.
    """
    notebook = copy.deepcopy(executed)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                media_type, picture = _fewest_bytes(base64.b64decode(output.data.pop("image/png")))
                output.data[media_type] = base64.b64encode(picture).decode()
    notebook.metadata = nbformat.from_dict(
        {
            "jupytext": executed.metadata.jupytext,
            "kernelspec": executed.metadata.kernelspec,
            "language_info": {"name": "python"},
        }
    )
    return notebook


def _fewest_bytes(png):
    """Return ``(media type, bytes)`` of a picture: PNG with 256 colours, as for a plot, or JPEG, as for photographs."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    palette, photograph = io.BytesIO(), io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(palette, "PNG", optimize=True)
    image.save(photograph, "JPEG", quality=75, optimize=True)
    kinds = [("image/png", palette.getvalue()), ("image/jpeg", photograph.getvalue())]
    return min(kinds, key=lambda kind: len(kind[1]))


def is_twin(lesson, path):
    """Tell whether the notebook at ``path`` has the cells of the lesson, in its order, all executed.

    Args:
        lesson: the page.
        path: of a notebook, which need not exist.
    """
    if not path.exists():
        return False
    notebook = nbformat.read(path, as_version=4)
    executed = all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)
    return executed and _cells(notebook) == _cells(read_page(lesson.path))


def _cells(notebook):
    """Return what a page and its notebook have in common."""
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]
