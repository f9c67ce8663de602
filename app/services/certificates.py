"""The certificates that servers may encrypt with: a folder of PEM files, one to a name.

A file holds the private key, if that is ours, and the certificate with its chain. It is written
with mode 0600 in a folder of mode 0700, and its key is read by OpenSSL alone: nothing here hands
it out.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.domain import ServerSpec
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.handlers.quote import quoted
from app.services import pem
from app.services.fields import FieldReader
from app.who import Act, Who
from sockcore.errors import CertificateError
from sockcore.tls import server_context

log = logging.getLogger("app.certificates")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SUFFIX = ".pem"

#: Hosts that one self-signed certificate may be for.
_MOST_HOSTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A stored certificate, without its key."""

    name: str
    facts: pem.Facts | None  # None: the file cannot be used
    has_key: bool = False  # whether a server can be it, or only check others with it
    error: str | None = None
    used_by: tuple[str, ...] = ()  # servers whose definitions name it


class Certificates:
    """Thread: any."""

    def __init__(
        self,
        folder: Path,
        specs: Callable[[], Iterable[ServerSpec]],
        note: Callable[[Act], None],
    ) -> None:
        """`specs` tells the definitions there are; `note` keeps an act."""
        self._folder = folder
        self._note = note
        self._specs = specs
        self._lock = threading.Lock()  # one change at a time

    def all(self) -> list[Certificate]:
        """Every one, by name."""
        users = self._users()
        names = (path.stem for path in self._folder.glob(f"*{_SUFFIX}"))
        return [
            self._read(name, users.get(name, ()))
            for name in sorted(names)
            if _NAME.fullmatch(name)
        ]

    def get(self, name: str) -> Certificate:
        """Raises: NotFound."""
        if not self._exists(name):
            raise NotFound("certificate_not_found", f"There is no certificate {quoted(name)}.")
        return self._read(name, self._users().get(name, ()))

    def path(self, name: str) -> Path:
        return (self._folder / f"{name}{_SUFFIX}").absolute()

    def free_name(self, wanted: str) -> str:
        """A name that no certificate has: `wanted`, or one like it."""
        base = wanted[:58] if _NAME.fullmatch(wanted) else "self-signed"
        numbered = (f"{base}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain((base,), numbered) if not self._exists(name))

    def check(self, name: str, own: bool) -> None:
        """Returns when it can be used: with `own` as a server's own, else to check others with.

        Raises: Invalid (unknown_certificate, certificate_unusable, certificate_without_key).
        """
        if not self._exists(name):
            # Not which there are: not everybody who may name one may know of all.
            detail = f"There is no certificate {quoted(name)}: see GET /api/v1/certificates."
            raise Invalid(FieldError("unknown_certificate", detail, "tls.certificate"))
        found = self._read(name)
        if found.error:
            raise Invalid(FieldError("certificate_unusable", found.error, "tls.certificate"))
        if own and not found.has_key:
            detail = f"{name} has no private key, so no server can be it. It can be a client CA."
            raise Invalid(FieldError("certificate_without_key", detail, "tls.certificate"))

    # -- changed --------------------------------------------------------------------------

    def store(self, body: Mapping[str, object], by: Who) -> Certificate:
        """Keep the certificate of a body `{"name", "pem"}`.

        Raises: Invalid; Conflict when the name is taken.
        """
        read = FieldReader()
        given = read.known(body, "", ("name", "pem"))
        name, text = self._name(read, given), read.text(given, "pem")
        read.settle()
        assert name is not None
        assert text is not None
        act = Act(by=by, what="certificate.store", target=name)
        return self._keep(name, pem.read(text.encode("utf-8", "replace")), act)

    def make(self, body: Mapping[str, object], by: Who) -> Certificate:
        """Make and keep a self-signed certificate, of a body `{"name", "hosts"}`.

        Raises: as `store`.
        """
        read = FieldReader()
        given = read.known(body, "", ("name", "hosts"))
        name, hosts = self._name(read, given), _hosts(read, given)
        read.settle()
        assert name is not None
        act = Act(by=by, what="certificate.make", target=name, after={"hosts": list(hosts)})
        return self._keep(name, pem.self_signed(hosts), act)

    def delete(self, name: str, by: Who) -> None:
        """Raises: NotFound; Conflict while a definition names it."""
        with self._lock:
            used_by = self.get(name).used_by
            if used_by:
                raise Conflict(
                    "certificate_in_use",
                    f"{name} is used by {', '.join(used_by)}. Give them another certificate, or"
                    " turn their TLS off, first.",
                )
            self._note(Act(by=by, what="certificate.delete", target=name))
            self.path(name).unlink()
        log.info("the certificate %s was deleted", name)

    # -- inside ---------------------------------------------------------------------------

    def _name(self, read: FieldReader, given: Mapping[str, object]) -> str | None:
        name = read.text(given, "name")
        if name is not None and not _NAME.fullmatch(name):
            detail = "A name is 1 to 63 of a-z, 0-9 and dashes, and begins with no dash."
            read.wrong("name_malformed", detail, "name")
        return name

    def _keep(self, name: str, bundle: pem.Bundle, act: Act) -> Certificate:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        # mkstemp gives mode 0600; the link makes the whole file appear at once, or not at all.
        descriptor, made = tempfile.mkstemp(prefix=".", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(bundle.pem)
                file.flush()
                os.fsync(file.fileno())
            if bundle.has_key:
                _check_with_openssl(made)
            os.link(made, self.path(name))
        except FileExistsError:
            detail = f"There is a certificate named {quoted(name)} already. Choose another name."
            raise Conflict("name_taken", detail, "name") from None
        finally:
            os.unlink(made)
        try:
            self._note(act)
        except Exception:
            self.path(name).unlink()
            raise
        log.info("the certificate %s was stored", name)
        return self._read(name)

    def _exists(self, name: str) -> bool:
        return bool(_NAME.fullmatch(name)) and self.path(name).is_file()

    def _read(self, name: str, used_by: tuple[str, ...] = ()) -> Certificate:
        try:
            bundle = pem.read(self.path(name).read_bytes())
        except (OSError, Invalid) as wrong:
            error = f"The file {name}{_SUFFIX} cannot be used: {_sentence(wrong)}"
            return Certificate(name=name, facts=None, error=error, used_by=used_by)
        return Certificate(name=name, facts=bundle.facts, has_key=bundle.has_key, used_by=used_by)

    def _users(self) -> dict[str, tuple[str, ...]]:
        users: dict[str, tuple[str, ...]] = {}
        for spec in self._specs():
            if spec.tls is not None:
                for name in {spec.tls.certificate, spec.tls.client_ca} - {None}:
                    assert name is not None
                    users[name] = (*users.get(name, ()), spec.name)
        return users


def _hosts(read: FieldReader, given: Mapping[str, object]) -> list[str]:
    hosts = given.get("hosts")
    if isinstance(hosts, list) and all(isinstance(host, str) for host in hosts):
        if 1 <= len(hosts) <= _MOST_HOSTS:
            return [str(host) for host in hosts]
        read.wrong("limit_range", f"Name 1 to {_MOST_HOSTS} hosts.", "hosts")
    elif "hosts" in given:
        read.wrong("wrong_type", "hosts must be a list of texts.", "hosts")
    else:
        read.wrong("missing_field", "hosts is needed.", "hosts")
    return []


def _check_with_openssl(path: str) -> None:
    """Raises: Invalid when OpenSSL will not serve with it: a key that is too short, say."""
    try:
        server_context(path)
    except CertificateError as error:
        why = str(error.__cause__ or "it is refused").partition(" (_ssl")[0]
        detail = f"OpenSSL does not take it: {why}."
        raise Invalid(FieldError("pem_refused", detail, "pem")) from None


def _sentence(wrong: OSError | Invalid) -> str:
    return wrong.detail if isinstance(wrong, Invalid) else f"{wrong.strerror}."
