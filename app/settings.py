"""Every setting, read from the environment once, with its unit and its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PortRange = tuple[int, int]


class Settings(BaseSettings):
    """`SOCKPIT_PORT=9000 make run` sets `port`."""

    model_config = SettingsConfigDict(env_prefix="SOCKPIT_", extra="ignore")

    host: str = Field("127.0.0.1", description="Address the panel listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the panel listens on.")
    data_dir: Path = Field(
        Path("data"), description="Where the control database, the log and sockets live."
    )
    listen_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "::1", "localhost"),
        description="Hosts a server may listen on, comma-separated.",
    )
    listen_ports: Annotated[tuple[PortRange, ...], NoDecode] = Field(
        ((1024, 65535),),
        description="Ports a server may listen on: numbers and ranges, comma-separated.",
    )
    handlers_dir: Path = Field(Path("handlers"), description="Folder of your own handlers.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Host names the panel answers to, besides its own and the local ones."
    )
    demo: bool = Field(True, description="Define and start a clock server on a new data_dir.")

    @field_validator("listen_hosts", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("listen_ports", mode="before")
    @classmethod
    def _ranges(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_range(part.strip()) for part in value.split(",") if part.strip())


def _range(text: str) -> PortRange:
    """`"80"` -> (80, 80); `"20000-20019"` -> (20000, 20019).

    Raises: ValueError naming what is wrong with it.
    """
    first, dash, last = text.partition("-")
    try:
        low, high = int(first), int(last if dash else first)
    except ValueError:
        raise ValueError(f"{text!r} is neither a port nor a range like 20000-20019") from None
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{text!r} is outside 1-65535 or runs backwards")
    return low, high
