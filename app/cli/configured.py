"""The settings, for commands: a wrong one is a line that names it."""

from __future__ import annotations

import os
import re

from pydantic import ValidationError

from app.cli.exits import USAGE, leave
from app.settings import Settings

#: What of the environment is for the panel alone.
_SECRET = re.compile(r"SOCKPIT_\w*(TOKEN|PASSWORD|SECRET|KEY)\w*", re.IGNORECASE)


def settings() -> Settings:
    """Raises: SystemExit."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SOCKPIT_{first['loc'][0]}".upper()
        leave(USAGE, f"{name}: {first['msg'].removeprefix('Value error, ')}.")


def forget_secrets() -> None:
    """Take what the settings have read out of the environment, before anything starts that others
    wrote: processes of servers get a copy of it, and handlers here can print it."""
    for name in [name for name in os.environ if _SECRET.fullmatch(name)]:
        del os.environ[name]
