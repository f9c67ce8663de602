"""What the promises' tests share with those of the library."""

from __future__ import annotations

from tests.sockcore.conftest import socket_dir

__all__ = ["socket_dir"]
