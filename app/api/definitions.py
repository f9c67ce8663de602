"""What a create and a change body hold, for the OpenAPI document.

The service checks bodies itself, so that every wrong field of one is told at once; these models
only say what it takes. A test holds the two together.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain import (
    CapturePolicy,
    ClientCertificates,
    Concurrency,
    Isolation,
    OptionValue,
    Transport,
    Wanted,
)
from app.who import Role


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InetAddressBody(Body):
    host: str = Field(examples=["127.0.0.1"])
    port: int = Field(ge=0, le=65535, description="0: any that is free")


class UnixAddressBody(Body):
    name: str = Field(pattern="^[A-Za-z0-9._-]{1,64}$", description="a file name, never a path")


class LimitsBody(Body):
    max_connections: int | None = Field(
        None, ge=1, le=100_000, description="open at one time; datagrams: peers remembered"
    )
    max_connections_per_address: int | None = Field(
        None, ge=0, le=100_000, description="the same of one IP address, TCP only; 0: no limit"
    )
    idle_timeout_s: float | None = Field(
        None, ge=0, le=86_400, description="without a byte either way; 0: no limit"
    )
    send_timeout_s: float | None = Field(
        None, ge=0, le=3600, description="until a client that reads nothing is cut; 0: no limit"
    )
    handshake_timeout_s: float | None = Field(
        None, ge=0.1, le=600, description="a client has to agree on TLS"
    )
    handler_timeout_s: float | None = Field(
        None, ge=0, le=86_400, description="until a handler is reported as slow; 0: never"
    )
    max_threads: int | None = Field(
        None, ge=1, le=10_000, description="pool and event: that answer at one time"
    )
    max_queue: int | None = Field(
        None, ge=0, le=100_000, description="pool and event: accepted, waiting for a thread"
    )
    max_children: int | None = Field(
        None, ge=1, le=10_000, description="forking: processes that answer at one time"
    )
    backlog: int | None = Field(
        None, ge=1, le=65_535, description="the kernel holds before they are accepted"
    )
    replies_per_s: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="datagrams: replies to one address, one more is not sent; 0: no limit",
    )
    replies_from_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="datagrams: no reply goes to a lower port, nor to a server of this Sockpit;"
        " 0: to all",
    )


class TlsBody(Body):
    certificate: str = Field(description="a name of GET certificates, with a private key")
    client_ca: str | None = Field(
        None, description="a name of GET certificates: whose certificates clients may show"
    )
    client_certificates: ClientCertificates = "none"


class CaptureBody(Body):
    policy: CapturePolicy | None = Field(
        None,
        description="what is kept of the bytes of a request: full, of each direction as many as"
        " `bytes` says; preview, the first 256; sizes, none, only how many they were and when",
    )
    bytes: int | None = Field(
        None, ge=0, le=16_777_216, description="kept of each direction under full"
    )
    mask: list[str] | None = Field(
        None,
        max_length=16,
        description="what is replaced by * before it is kept or shown: `text:` with a text or"
        " `re:` with an RE2 regex of bytes, each of 256 characters at most; replaced whole",
        examples=[["text:hunter2", r"re:(?i)password=[^&\s]*"]],
    )


class ServerDefinition(Body):
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    transport: Transport
    concurrency: Concurrency = Field("pool", description="GET kinds has those of each transport")
    isolation: Isolation | None = Field(
        None, description="thread by default; forking servers always have a process of their own"
    )
    handler: str = Field(description="a key of GET handlers", examples=["echo"])
    handler_options: dict[str, OptionValue] | None = None
    address: InetAddressBody | UnixAddressBody
    limits: LimitsBody | None = None
    tls: TlsBody | None = Field(None, description="of tcp and unix servers; null: none")
    capture: CaptureBody | None = None
    wanted: Wanted | None = None


class ServerChange(Body):
    name: str | None = Field(None, description="may be given, but not changed")
    transport: Transport | None = None
    concurrency: Concurrency | None = None
    isolation: Isolation | None = None
    handler: str | None = None
    handler_options: dict[str, OptionValue] | None = None
    address: InetAddressBody | UnixAddressBody | None = None
    limits: LimitsBody | None = None
    tls: TlsBody | None = Field(None, description="replaced whole; null turns it off")
    capture: CaptureBody | None = None
    wanted: Wanted | None = None


class StoredCertificateBody(Body):
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    pem: str = Field(
        description="the private key and the certificate with its chain, as PEM, in any order but"
        " the certificate before those that vouch for it; without a key it can be a client CA"
    )


class SelfSignedBody(Body):
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    hosts: list[str] = Field(min_length=1, max_length=100, examples=[["lab.example", "127.0.0.1"]])


class RetentionChange(Body):
    max_age_days: int | None = Field(
        None, ge=0, le=36_500, description="days that are older go, the newest stays; 0: no limit"
    )
    max_bytes: int | None = Field(
        None, ge=0, description="all of the log, from 64 MiB on; 0: no limit"
    )


class DeletionBody(Body):
    q: str = Field("", max_length=1_000, description="a search line; it or `server` must be given")
    server: str | None = Field(None, description="its requests alone")


class DeletionConfirmation(Body):
    rows: int = Field(ge=0, description="the number of requests that was counted")


_PASSWORD = Field(min_length=10, max_length=256, examples=["a long pass phrase"])


class UserBody(Body):
    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")
    role: Role
    password: str = _PASSWORD


class UserChange(Body):
    role: Role | None = None
    password: str | None = Field(
        None, min_length=10, max_length=256, examples=["another long pass phrase"]
    )


class TokenBody(Body):
    name: str = Field(min_length=1, max_length=100, description="what it is for")
    role: Role
    servers: list[str] | None = Field(
        None, min_length=1, description="the servers that it is for alone; without: all"
    )
    days: int | None = Field(None, ge=1, le=3_650, description="until it ends; without: never")


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI entry of a route that takes `model` as its JSON body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
