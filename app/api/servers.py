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
from app.deps import By, Servers, needs

router = APIRouter(prefix="/servers", tags=["servers"])


@router.get("", operation_id="listServers")
@needs("see")
def list_servers(servers: Servers, by: By) -> Listing[ServerShape]:
    """Every server, by name."""
    return Listing(
        items=[server_shape(status) for status in servers.all() if by.sees(status.spec.name)]
    )


@router.post(
    "",
    operation_id="createServer",
    status_code=201,
    responses=problems(400, 403, 409, 413, 415, 422, 503),
    openapi_extra=body_of(ServerDefinition),
)
@needs("define")
def create_server(body: JsonObject, servers: Servers, by: By) -> ServerShape:
    """Define a server; with `"wanted": "running"` start it too. One that cannot start is not
    created."""
    return server_shape(servers.create(body, by))


@router.get("/{name}", operation_id="getServer", responses=problems(404))
@needs("see", server="name")
def get_server(name: str, servers: Servers) -> ServerShape:
    return server_shape(servers.get(name))


@router.patch(
    "/{name}",
    operation_id="updateServer",
    responses=problems(400, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(ServerChange),
)
@needs("define", server="name")
def update_server(name: str, body: JsonObject, servers: Servers, by: By) -> ServerShape:
    """Change any part of a definition but the name. A running server takes new limits,
    `capture` and `wanted`; for the rest it must be stopped first (409)."""
    return server_shape(servers.update(name, body, by))


@router.delete("/{name}", operation_id="deleteServer", status_code=204, responses=problems(404))
@needs("define", server="name")
def delete_server(name: str, servers: Servers, by: By) -> None:
    """Stop a server and forget it. Its requests stay in the log."""
    servers.delete(name, by)


@router.post(
    "/{name}/start", operation_id="startServer", responses=problems(403, 404, 409, 422, 503)
)
@needs("operate", server="name")
def start_server(name: str, servers: Servers, by: By) -> ServerShape:
    """Listen. A server that runs already stays as it is; a failed one tries again."""
    return server_shape(servers.start(name, by))


@router.post("/{name}/stop", operation_id="stopServer", responses=problems(404))
@needs("operate", server="name")
def stop_server(name: str, servers: Servers, by: By) -> ServerShape:
    """Stop listening and end every connection, within five seconds."""
    return server_shape(servers.stop(name, by))


@router.post(
    "/{name}/restart", operation_id="restartServer", responses=problems(403, 404, 409, 422, 503)
)
@needs("operate", server="name")
def restart_server(name: str, servers: Servers, by: By) -> ServerShape:
    return server_shape(servers.restart(name, by))


@router.get("/{name}/connections", operation_id="listConnections", responses=problems(404))
@needs("see", server="name")
def list_connections(name: str, servers: Servers) -> Listing[ConnectionShape]:
    """Who is connected now, oldest first; for datagrams, every peer heard of until idle."""
    return Listing(items=[connection_shape(c) for c in servers.connections(name)])


@router.delete(
    "/{name}/connections/{connection_id}",
    operation_id="disconnect",
    status_code=204,
    responses=problems(404, 422),
)
@needs("operate", server="name")
def disconnect(name: str, connection_id: int, servers: Servers, by: By) -> None:
    """Cut one connection: its client sees the end of the stream at once."""
    servers.disconnect(name, connection_id, by)
