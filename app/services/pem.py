"""Certificates and keys as PEM text: read, checked, written, and made.

Knows cryptography. Knows no files, no servers and no TLS. A private key is never quoted: not in
an error, not in a log, not in a `repr`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.errors import FieldError, Invalid

#: Days a self-signed certificate is good for: browsers take none for longer.
SELF_SIGNED_DAYS: Final = 397

#: For clocks that are not quite right.
_EARLIER: Final = timedelta(hours=1)

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.S)
_LABEL = re.compile(r"(?=.{1,253}$)(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.?)+")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself."""

    subject: str  # as in RFC 4514
    hosts: tuple[str, ...]  # names and addresses that it is for
    not_after: datetime  # UTC
    self_signed: bool

    @property
    def expired(self) -> bool:
        return self.not_after <= datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A certificate with those that vouch for it, and its private key where that is known."""

    pem: bytes = field(repr=False)  # the key first, then the chain
    facts: Facts
    has_key: bool


def read(text: bytes) -> Bundle:
    """What is in a PEM file; all else in it is left out of `pem`.

    Raises: Invalid, on the field `pem`.
    """
    try:
        chain = x509.load_pem_x509_certificates(text)
        facts = _facts(chain[0])
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong(
            "pem_without_certificate",
            "There is no certificate in it that can be read. It must be PEM: the private key and"
            " the certificates, each between its BEGIN and END lines.",
        ) from None
    key = _key(text, chain[0])
    blocks = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    return Bundle(key + b"".join(blocks), facts, bool(key))


def self_signed(hosts: Sequence[str]) -> Bundle:
    """A new key, and a certificate of it for `hosts`: names, `*.name` or IP addresses.

    Raises: Invalid, on the field `hosts`.
    """
    names = [_general_name(host) for host in hosts]
    if not names:
        raise Invalid(FieldError("missing_field", "Name at least one host.", "hosts"))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Bundle(private + certificate.public_bytes(Encoding.PEM), _facts(certificate), True)


def _key(text: bytes, certificate: x509.Certificate) -> bytes:
    """The private key as PEM; empty when there is none."""
    blocks = [match.group() for match in _KEY.finditer(text)]
    if not blocks:
        return b""
    if len(blocks) > 1:
        raise _wrong("pem_with_many_keys", "There is more than one private key in it: leave one.")
    try:
        key = load_pem_private_key(blocks[0], None)
    except TypeError:
        raise _wrong(
            "pem_encrypted",
            "The private key is encrypted. Store it without a password:"
            " `openssl pkey -in key.pem -out plain.pem`.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("pem_key_unreadable", "The private key in it cannot be read.") from None
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise _wrong(
            "pem_key_mismatch",
            "The private key is not that of the first certificate. The server's own certificate"
            " comes first, then those that vouch for it.",
        )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every kind of key has it
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _facts(certificate: x509.Certificate) -> Facts:
    return Facts(
        subject=certificate.subject.rfc4514_string(),
        hosts=_hosts(certificate),
        not_after=certificate.not_valid_after_utc,
        self_signed=certificate.issuer == certificate.subject,
    )


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    return (*names, *(str(address) for address in addresses))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _LABEL.fullmatch(host):
        detail = "A host is a name like lab.example, *.lab.example, or an IP address."
        raise Invalid(FieldError("host_malformed", detail, "hosts"))
    return x509.DNSName(host)


def _wrong(code: str, detail: str) -> Invalid:
    return Invalid(FieldError(code, detail, "pem"))
