"""`passwd`: another password for a user, on the machine itself: the way back in."""

from __future__ import annotations

import sys
from getpass import getpass

from app.cli import configured
from app.cli.exits import NO_DATA, USAGE, leave
from app.errors import AppError, Invalid
from app.services.passwords import Passwords
from app.services.users import Users
from app.store.database import FILE_NAME, Database
from app.store.users import UserTable


def passwd(name: str) -> None:
    """Ask for it twice, or read it from a pipe. Where there is no such user, an admin is made.

    Whoever is logged in as it has to log in again. Exit 2 for a name or a password that is none.
    """
    path = configured.settings().data_dir / FILE_NAME
    password = _asked()
    try:
        database = Database(path)
        try:
            made = Users(UserTable(database), Passwords()).recover(name, password)
        finally:
            database.close()
    except Invalid as error:
        leave(USAGE, error.detail)
    except AppError as error:
        leave(NO_DATA, error.detail)
    print(f"The admin {name} was made." if made else f"{name} has a new password.")


def _asked() -> str:
    try:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\r\n")
        password, again = getpass("New password: "), getpass("Again: ")
    except UnicodeDecodeError:
        leave(USAGE, "A password is text in UTF-8; nothing was changed.")
    if password != again:
        leave(USAGE, "The two are not the same; nothing was changed.")
    return password
