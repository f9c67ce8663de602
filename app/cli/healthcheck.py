"""`healthcheck`: whether the instance that the settings describe works."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request

from app.cli import configured
from app.cli.exits import FAILED, leave

TIMEOUT_S = 5


def healthcheck() -> None:
    """Exit 0 when it answers and records; else 1, with the reason."""
    settings = configured.settings()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    scheme = "https" if settings.tls else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}/api/v1/health"
    try:
        with _direct().open(url, timeout=TIMEOUT_S):
            print("ok")
    except urllib.error.HTTPError as error:
        with error:
            leave(FAILED, json.load(error).get("detail", str(error)))
    except (OSError, ValueError) as error:
        leave(FAILED, f"{url} does not answer: {error}.")


def _direct() -> urllib.request.OpenerDirector:
    """Past every proxy of the environment, and believing any certificate: it asks this machine,
    tells it nothing secret, and the certificate is for the name that others use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
