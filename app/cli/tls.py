"""The panel's own TLS, of the two files that the settings name."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from app.cli.exits import USAGE, leave
from app.settings import Settings


def context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 and up; None when it is off. Raises: SystemExit naming what is wrong."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    from sockcore.errors import CertificateError
    from sockcore.tls import server_context

    _check_private(settings.tls_key)
    try:
        return server_context(settings.tls_cert, settings.tls_key, alpn=("http/1.1",))
    except CertificateError as error:
        leave(USAGE, f"SOCKPIT_TLS_CERT, SOCKPIT_TLS_KEY: {error}.")


def _check_private(key: Path) -> None:
    """Whoever can read the key can be the panel."""
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as error:
        leave(USAGE, f"SOCKPIT_TLS_KEY: the file {key} cannot be read: {error.strerror}.")
    if mode & 0o077:
        leave(
            USAGE,
            f"SOCKPIT_TLS_KEY: others than its owner may use {key}, whose mode is {mode:04o}."
            f" Run `chmod 600 {key}`, and get another key if anybody may have read it.",
        )
