"""Who somebody is, by what they show, and whether they may do what they ask.

`authorize` is the one place that decides, before any route runs; what of lists, searches and
streams somebody sees is asked of the same `Who`.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import Forbidden, NotFound, Unauthorized
from app.services.sessions import Sessions
from app.services.tokens import Tokens
from app.services.users import Users
from app.who import LEAST, Action, Who


def authorize(who: Who, action: Action, server: str | None = None) -> None:
    """Returns when `who` may do it: to that server, or to what is of none.

    Raises: NotFound for a server that `who` is not to know of, as if it were not there; Forbidden
    `role_too_low`, or `token_scope` where a token for some servers asks for more.
    """
    if server is not None and not who.sees(server):
        raise NotFound("server_not_found", f"There is no server called {server!r}.")
    if not who.may(action):
        detail = f"This takes the role {LEAST[action]}; {who.name} is {_a(who.role)}."
        raise Forbidden("role_too_low", detail)
    if who.servers is not None and server is None and action not in ("see", "self"):
        detail = "This token is for some servers alone, and that concerns them all."
        raise Forbidden("token_scope", detail)


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "ao" else f"a {role}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller shows to be known by: the secret of a session, or that of a token."""

    session: str | None = None
    token: str | None = None
    address: str = ""


class Access:
    """Thread: any."""

    def __init__(self, users: Users, sessions: Sessions, tokens: Tokens) -> None:
        self.users = users
        self.sessions = sessions
        self.tokens = tokens

    def identify(self, shown: Shown) -> Who:
        """A token goes first: a program that shows one means to be it.

        Raises: Unauthorized, `no_login`, `session_over` or `token_unknown`.
        """
        if shown.token is not None:
            who = self.tokens.find(shown.token, shown.address)
            if who is None:
                detail = "This token is not known, or its time is over. Make a new one."
                raise Unauthorized("token_unknown", detail)
            return who
        if shown.session is None:
            raise Unauthorized("no_login", "Log in first, or send Authorization: Bearer TOKEN.")
        who = self.sessions.find(shown.session, shown.address)
        if who is None:
            raise Unauthorized("session_over", "You are not logged in any more. Log in again.")
        return who
