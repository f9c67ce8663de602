"""Certificates for tests, made by the `openssl` command: a CA and what it signed.

The fixture `certificates` has them once a session. Knows files and contexts; claims nothing.
"""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLIENT_SUBJECT = "CN=device 7,OU=\\#lab,O=Acme\\, Inc.,C=CH"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, in PEM files."""

    certificate: Path
    private_key: Path


class Certificates:
    """What one CA signed, and what it did not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._key = key
        self.ca = self._rooted("ca")
        self.other_ca = self._rooted("other-ca")
        hosts = "subjectAltName=DNS:localhost,DNS:inside.example,IP:127.0.0.1,IP:::1"
        self.server = self._signed("server", "/CN=localhost", hosts)
        self.renewed = self._signed("renewed", "/CN=localhost/O=Renewed", hosts)
        self.expired = self._signed("expired", "/CN=localhost", hosts, days=-1)
        self.client = self._signed("client", "/C=CH/O=Acme, Inc./OU=#lab/CN=device 7")
        self.stranger = self._signed("stranger", "/CN=stranger", ca=self.other_ca)
        self.encrypted = Pair(self.server.certificate, folder / "encrypted.key")
        _openssl(
            *("ec", "-aes256", "-passout", "pass:open sesame"),
            *("-in", self.server.private_key, "-out", self.encrypted.private_key),
        )

    def _rooted(self, name: str) -> Pair:
        pair = self._files(name)
        _openssl(
            *("req", "-x509", *self._key, "-subj", f"/CN={name}", "-days", "2"),
            *("-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", pair.private_key, "-out", pair.certificate),
        )
        return pair

    def _signed(
        self,
        name: str,
        subject: str,
        extension: str = "",
        *,
        days: int = 2,
        ca: Pair | None = None,
    ) -> Pair:
        pair, request = self._files(name), self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        always = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        extensions.write_text(always + extension, encoding="ascii")
        ca = ca or self.ca
        _openssl(
            *("req", "-new", *self._key, "-subj", subject),
            *("-keyout", pair.private_key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-out", pair.certificate, "-days", str(days)),
            *("-CA", ca.certificate, "-CAkey", ca.private_key, "-CAcreateserial"),
            *("-extfile", extensions),
        )
        return pair

    def _files(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def trusting(self, shown: Pair | None = None) -> ssl.SSLContext:
        """A client's context that trusts the CA, and shows a certificate when asked for one."""
        context = ssl.create_default_context(cafile=self.ca.certificate)
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.private_key)
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
