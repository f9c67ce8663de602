"""Folders of handler files, written and looked into by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import Invalid
from app.handlers.registry import HandlerInfo, HandlerRegistry
from tests.app.handlers.serving import converse, serving

HANDLER = """
from sockcore import StreamRequestHandler

class {name}(StreamRequestHandler):
    '''Says {said}.'''
    def handle(self):
        self.wfile.write(b"{said}")
"""


def write(folder: Path, file: str, text: str) -> Path:
    path = folder / file
    path.write_text(text, encoding="utf-8")
    return path


def said_by(registry: HandlerRegistry, key: str, folder: Path) -> bytes:
    with serving("tcp", registry.handler_class(key, "tcp", {}), folder) as where:
        return converse(where, b"")


def own(registry: HandlerRegistry) -> list[str]:
    return [entry.key for entry in registry.entries() if entry.source != "built-in"]


def found(registry: HandlerRegistry, key: str) -> HandlerInfo:
    info = registry.get(key)
    assert info is not None
    return info


def refusal(registry: HandlerRegistry, key: str) -> tuple[str, str | None, str]:
    with pytest.raises(Invalid) as refused:
        registry.handler_class(key, "tcp", {})
    return refused.value.code, refused.value.field, refused.value.detail
