"""Which machine's log this is: an id made at the first start and kept in the data directory."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Final

from app.durable import sync
from app.errors import Unavailable

FILE_NAME: Final = "node_id"


def node_id(data_dir: Path) -> str:
    """The id of `data_dir`, 32 hexadecimal digits; made when there is none.

    Raises: Unavailable `node_id_malformed`, OSError.
    """
    path = data_dir / FILE_NAME
    try:
        text = path.read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        return _make(path)
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise Unavailable(
            "node_id_malformed",
            f"{path} does not hold 32 hexadecimal digits. Restore it from a backup, or delete "
            "it: the next start makes a new one.",
        )
    return text


def _make(path: Path) -> str:
    """Write a new id so that a power cut leaves either all of it or nothing."""
    made = uuid.uuid4().hex
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="ascii") as file:
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)
    return made
