"""Every setting, read from the environment once, with its unit and its reason."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PortRange = tuple[int, int]

#: Characters that a token has at least: who guesses it is an admin.
_TOKEN_LENGTH = 20


def _in_file(value: object) -> object:
    """What a file holds, without the end of its line. Raises: ValueError."""
    if not isinstance(value, str | Path):
        return value
    try:
        return Path(value).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file {value} cannot be read: {error}") from None


SecretFile = Annotated[SecretStr, BeforeValidator(_in_file)]


class Settings(BaseSettings):
    """`SOCKPIT_PORT=9000 make run` sets `port`."""

    model_config = SettingsConfigDict(env_prefix="SOCKPIT_", extra="ignore", env_ignore_empty=True)

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
    admin_password: SecretStr | None = Field(
        None, description="Password of the user admin, made at the start when there is no user."
    )
    admin_password_file: SecretFile | None = Field(
        None, description="The same, in a file: a secret that a deployment mounts."
    )
    api_token: SecretStr | None = Field(
        None, description="A token for the API with the role admin. It is stored nowhere."
    )
    api_token_file: SecretFile | None = Field(None, description="The same, in a file.")
    tls_cert: Path | None = Field(
        None, description="PEM file with the panel's certificate, and those that vouch for it."
    )
    tls_key: Path | None = Field(
        None, validate_default=True, description="PEM file with the private key of tls_cert."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses and networks of proxies whose X-Forwarded-For and -Proto count.",
    )
    panel_connections_per_address: int = Field(
        100,
        ge=6,
        le=100_000,
        description="Connections of one address to the panel; more for a proxy in front of it.",
    )
    demo: bool = Field(True, description="Define and start a clock server on a new data_dir.")

    @field_validator("listen_hosts", "allowed_hosts", "trusted_proxies", mode="before")
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

    @field_validator("admin_password", "admin_password_file", mode="after")
    @classmethod
    def _password(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not 10 <= len(value.get_secret_value()) <= 256:
            raise ValueError("a password has 10 to 256 characters")
        return value

    @field_validator("api_token", "api_token_file", mode="after")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        if len(text) < _TOKEN_LENGTH or not re.fullmatch("[!-~]+", text):
            raise ValueError(
                f"a token has {_TOKEN_LENGTH} characters or more, of ASCII and without spaces"
            )
        return value

    @field_validator("admin_password_file", "api_token_file", mode="after")
    @classmethod
    def _once(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        given = (info.field_name or "").removesuffix("_file")
        if value is not None and info.data.get(given) is not None:
            raise ValueError(f"SOCKPIT_{given.upper()} is set too: set one of them")
        return value

    @field_validator("tls_cert", "tls_key", mode="before")
    @classmethod
    def _file(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("tls_key", mode="after")
    @classmethod
    def _both(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert") is None):
            raise ValueError("TLS takes SOCKPIT_TLS_CERT and SOCKPIT_TLS_KEY: set both or none")
        return value

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                network = ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"{error}: give addresses, networks like 10.1.0.0/16") from None
            if not network.prefixlen:
                raise ValueError(f"{proxy} is everybody: name the proxies alone")
        return value

    @property
    def tls(self) -> bool:
        """Whether the panel speaks TLS."""
        return self.tls_cert is not None

    @property
    def password(self) -> str | None:
        """What the deployment gives the user admin."""
        return _secret(self.admin_password or self.admin_password_file)

    @property
    def token(self) -> str | None:
        """The token that the deployment gives."""
        return _secret(self.api_token or self.api_token_file)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the panel."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


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
