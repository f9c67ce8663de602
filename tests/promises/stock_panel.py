"""A program: the app, its panel behind uvicorn's own protocol, without a door of ours."""

from __future__ import annotations

from unittest.mock import patch

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.cli import serve

if __name__ == "__main__":
    with patch.multiple(
        serve, panel_protocol=lambda _door: HttpToolsProtocol, bound_unread=lambda *_: None
    ):
        serve.serve()
