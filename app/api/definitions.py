"""What a create and a change body hold, for the OpenAPI document.

The service checks bodies itself, so that every wrong field of one is told at once; these models
only say what it takes. A test holds the two together.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain import Concurrency, OptionValue, Transport, Wanted


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InetAddressBody(Body):
    host: str = Field(examples=["127.0.0.1"])
    port: int = Field(ge=0, le=65535, description="0: any that is free")


class UnixAddressBody(Body):
    name: str = Field(pattern="^[A-Za-z0-9._-]{1,64}$", description="a file name, never a path")


class LimitsBody(Body):
    max_connections: int | None = Field(None, ge=1, le=100_000)
    idle_timeout_s: float | None = Field(None, ge=0, le=86_400, description="0: no limit")
    backlog: int | None = Field(None, ge=1, le=65_535)


class ServerDefinition(Body):
    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    transport: Transport
    concurrency: Concurrency
    handler: str = Field(description="a key of GET handlers")
    handler_options: dict[str, OptionValue] | None = None
    address: InetAddressBody | UnixAddressBody
    limits: LimitsBody | None = None
    wanted: Wanted | None = None


class ServerChange(Body):
    name: str | None = Field(None, description="may be given, but not changed")
    transport: Transport | None = None
    concurrency: Concurrency | None = None
    handler: str | None = None
    handler_options: dict[str, OptionValue] | None = None
    address: InetAddressBody | UnixAddressBody | None = None
    limits: LimitsBody | None = None
    wanted: Wanted | None = None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI entry of a route that takes `model` as its JSON body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
