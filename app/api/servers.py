"""REST: servers, and who is connected to them."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.bodies import JsonObject
from app.api.definitions import ServerChange, ServerDefinition, body_of
from app.api.problems import problems
from app.api.shapes import (
    ConnectionShape,
    Listing,
    ServerShape,
    connection_shape,
    server_shape,
)
from app.deps import Servers

router = APIRouter(prefix="/servers", tags=["servers"])


@router.get("", operation_id="listServers")
def list_servers(servers: Servers) -> Listing[ServerShape]:
    """Every server, by name."""
    return Listing(items=[server_shape(status) for status in servers.all()])


@router.post(
    "",
    operation_id="createServer",
    status_code=201,
    responses=problems(400, 403, 409, 413, 415, 422, 503),
    openapi_extra=body_of(ServerDefinition),
)
def create_server(body: JsonObject, servers: Servers) -> ServerShape:
    """Define a server; with `"wanted": "running"` start it too. One that cannot start is not
    created."""
    return server_shape(servers.create(body))


@router.get("/{name}", operation_id="getServer", responses=problems(404))
def get_server(name: str, servers: Servers) -> ServerShape:
    return server_shape(servers.get(name))


@router.patch(
    "/{name}",
    operation_id="updateServer",
    responses=problems(400, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(ServerChange),
)
def update_server(name: str, body: JsonObject, servers: Servers) -> ServerShape:
    """Change any part of a definition but the name. A running server takes new limits,
    `capture` and `wanted`; for the rest it must be stopped first (409)."""
    return server_shape(servers.update(name, body))


@router.delete("/{name}", operation_id="deleteServer", status_code=204, responses=problems(404))
def delete_server(name: str, servers: Servers) -> None:
    """Stop a server and forget it. Its requests stay in the log."""
    servers.delete(name)


@router.post(
    "/{name}/start", operation_id="startServer", responses=problems(403, 404, 409, 422, 503)
)
def start_server(name: str, servers: Servers) -> ServerShape:
    """Listen. A server that runs already stays as it is; a failed one tries again."""
    return server_shape(servers.start(name))


@router.post("/{name}/stop", operation_id="stopServer", responses=problems(404))
def stop_server(name: str, servers: Servers) -> ServerShape:
    """Stop listening and end every connection, within five seconds."""
    return server_shape(servers.stop(name))


@router.post(
    "/{name}/restart", operation_id="restartServer", responses=problems(403, 404, 409, 422, 503)
)
def restart_server(name: str, servers: Servers) -> ServerShape:
    return server_shape(servers.restart(name))


@router.get("/{name}/connections", operation_id="listConnections", responses=problems(404))
def list_connections(name: str, servers: Servers) -> Listing[ConnectionShape]:
    """Who is connected now, oldest first; for datagrams, every peer heard of until idle."""
    return Listing(items=[connection_shape(c) for c in servers.connections(name)])


@router.delete(
    "/{name}/connections/{connection_id}",
    operation_id="disconnect",
    status_code=204,
    responses=problems(404, 422),
)
def disconnect(name: str, connection_id: int, servers: Servers) -> None:
    """Cut one connection: its client sees the end of the stream at once."""
    servers.disconnect(name, connection_id)
