"""`healthcheck`: whether the instance that the settings describe works."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from app.cli.exits import FAILED, leave
from app.settings import Settings

TIMEOUT_S = 5


def healthcheck() -> None:
    """Exit 0 when it answers and records; else 1, with the reason."""
    settings = Settings()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/api/v1/health"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):
            print("ok")
    except urllib.error.HTTPError as error:
        with error:
            leave(FAILED, json.load(error).get("detail", str(error)))
    except (OSError, ValueError) as error:
        leave(FAILED, f"{url} does not answer: {error}.")
