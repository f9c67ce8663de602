"""REST: who asks, users, sessions and tokens. No answer has a password or a hash of one."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.bodies import JsonObject
from app.api.definitions import TokenBody, UserBody, UserChange, body_of
from app.api.problems import problems
from app.api.shapes import Listing, Shape, same
from app.deps import AccessControl, By, needs
from app.times import iso
from app.who import Session, Token, User

router = APIRouter(tags=["access"])


class WhoShape(Shape):
    """`kind`: user, token, or deployment for the token of the settings. `servers`: those that a
    token is for, null for all."""

    kind: str
    name: str
    role: str
    servers: list[str] | None


class UserShape(Shape):
    name: str
    role: str
    created: str


class SessionShape(Shape):
    """`current`: the one that asks. `agent`: what the browser says that it is."""

    id: str
    user: str
    created: str
    seen: str
    address: str
    agent: str
    current: bool


class TokenShape(Shape):
    """`servers`: those that it is for, null for all. `expires`: null for never."""

    id: str
    name: str
    role: str
    servers: list[str] | None
    created: str
    created_by: str
    expires: str | None
    used: str | None


class NewTokenShape(TokenShape):
    """`token` is what to send as `Authorization: Bearer`; it is shown here and never again."""

    token: str


@router.get("/me", operation_id="getMe")
@needs("self")
def get_me(by: By) -> WhoShape:
    """Who asks, and how far they may go."""
    servers = None if by.servers is None else sorted(by.servers)
    return WhoShape(**same(by, "kind", "name", "role"), servers=servers)


@router.get("/users", operation_id="listUsers")
@needs("administer")
def list_users(access: AccessControl) -> Listing[UserShape]:
    """By name."""
    return Listing(items=[user_shape(user) for user in access.users.all()])


@router.post(
    "/users",
    operation_id="createUser",
    status_code=201,
    responses=problems(400, 409, 413, 415, 422, 429, 503),
    openapi_extra=body_of(UserBody),
)
@needs("administer")
def create_user(body: JsonObject, access: AccessControl, by: By) -> UserShape:
    return user_shape(access.users.create(body, by))


@router.patch(
    "/users/{user}",
    operation_id="updateUser",
    responses=problems(400, 404, 409, 413, 415, 422, 429, 503),
    openapi_extra=body_of(UserChange),
)
@needs("administer")
def update_user(user: str, body: JsonObject, access: AccessControl, by: By) -> UserShape:
    """Another role or password: whoever is logged in as it has to log in again."""
    return user_shape(access.users.change(user, body, by))


@router.delete(
    "/users/{user}",
    operation_id="deleteUser",
    status_code=204,
    responses=problems(404, 409, 503),
)
@needs("administer")
def delete_user(user: str, access: AccessControl, by: By) -> None:
    """And log it out everywhere. The last admin stays (409)."""
    access.users.remove(user, by)


@router.get("/sessions", operation_id="listSessions")
@needs("self")
def list_sessions(access: AccessControl, by: By) -> Listing[SessionShape]:
    """Browsers that are logged in, the one used last first: an admin's answer has everybody's."""
    known = access.sessions.known_to(by)
    return Listing(items=[session_shape(session, by.id) for session in known])


@router.delete(
    "/sessions/{session_id}",
    operation_id="endSession",
    status_code=204,
    responses=problems(404, 503),
)
@needs("self")
def end_session(session_id: str, access: AccessControl, by: By) -> None:
    """Log it out: one's own, an admin anybody's."""
    access.sessions.end(session_id, by)


@router.get("/tokens", operation_id="listTokens")
@needs("administer")
def list_tokens(access: AccessControl) -> Listing[TokenShape]:
    """The newest first. That of the settings is not among them."""
    return Listing(items=[token_shape(token) for token in access.tokens.all()])


@router.post(
    "/tokens",
    operation_id="createToken",
    status_code=201,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra=body_of(TokenBody),
)
@needs("administer")
def create_token(body: JsonObject, access: AccessControl, by: By) -> NewTokenShape:
    made, secret = access.tokens.make(body, by)
    return NewTokenShape(**token_shape(made).model_dump(), token=secret)


@router.delete(
    "/tokens/{token_id}",
    operation_id="deleteToken",
    status_code=204,
    responses=problems(404, 503),
)
@needs("administer")
def delete_token(token_id: str, access: AccessControl, by: By) -> None:
    """It is good for nothing from now on."""
    access.tokens.remove(token_id, by)


def user_shape(user: User) -> UserShape:
    return UserShape(**same(user, "name", "role"), created=iso(user.created_us))


def session_shape(session: Session, current: str) -> SessionShape:
    return SessionShape(
        **same(session, "id", "user", "address", "agent"),
        created=iso(session.created_us),
        seen=iso(session.seen_us),
        current=session.id == current,
    )


def token_shape(token: Token) -> TokenShape:
    return TokenShape(
        **same(token, "id", "name", "role", "created_by"),
        servers=None if token.servers is None else list(token.servers),
        created=iso(token.created_us),
        expires=None if token.expires_us is None else iso(token.expires_us),
        used=None if token.used_us is None else iso(token.used_us),
    )
