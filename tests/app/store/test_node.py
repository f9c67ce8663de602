from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.store.node import node_id


def test_the_id_is_made_once(tmp_path: Path) -> None:
    made = node_id(tmp_path / "data")
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert node_id(tmp_path / "data") == made
    assert node_id(tmp_path / "other") != made
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["node_id"]


@pytest.mark.parametrize("text", ["", "x" * 32, "'); DROP TABLE requests; --", "\udcff"])
def test_an_id_that_is_none_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node_id"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Unavailable, match=re.escape(str(path))) as refused:
        node_id(tmp_path)
    assert refused.value.code == "node_id_malformed"
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")
