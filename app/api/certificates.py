"""REST: the certificates that servers may encrypt with. No route hands out a private key."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.bodies import JsonObject
from app.api.definitions import SelfSignedBody, StoredCertificateBody, body_of
from app.api.problems import problems
from app.api.shapes import Listing, Shape
from app.deps import By, StoredCertificates, needs
from app.services.certificates import Certificate

router = APIRouter(prefix="/certificates", tags=["certificates"])


class CertificateShape(Shape):
    """`error` says why the file cannot be used, the facts are null then."""

    name: str
    subject: str | None  # as in RFC 4514
    hosts: list[str]
    not_after: str | None
    expired: bool | None
    self_signed: bool | None
    has_key: bool
    used_by: list[str]
    error: str | None


@router.get("", operation_id="listCertificates")
@needs("see_all")
def list_certificates(certificates: StoredCertificates) -> Listing[CertificateShape]:
    """Every stored certificate, by name, and the servers that use it."""
    return Listing(items=[certificate_shape(c) for c in certificates.all()])


@router.post(
    "",
    operation_id="storeCertificate",
    status_code=201,
    responses=problems(400, 409, 413, 415, 422),
    openapi_extra=body_of(StoredCertificateBody),
)
@needs("administer")
def store_certificate(
    body: JsonObject, certificates: StoredCertificates, by: By
) -> CertificateShape:
    """Store a certificate with its private key; without a key it can be a client CA only."""
    return certificate_shape(certificates.store(body, by))


@router.post(
    "/self-signed",
    operation_id="makeCertificate",
    status_code=201,
    responses=problems(400, 409, 413, 415, 422),
    openapi_extra=body_of(SelfSignedBody),
)
@needs("administer")
def make_certificate(
    body: JsonObject, certificates: StoredCertificates, by: By
) -> CertificateShape:
    """Make a key and a certificate of it that nobody vouches for, good for 397 days."""
    return certificate_shape(certificates.make(body, by))


@router.delete(
    "/{name}",
    operation_id="deleteCertificate",
    status_code=204,
    responses=problems(404, 409),
)
@needs("administer")
def delete_certificate(name: str, certificates: StoredCertificates, by: By) -> None:
    """Delete a certificate and its key. One that a server uses is kept (409)."""
    certificates.delete(name, by)


def certificate_shape(certificate: Certificate) -> CertificateShape:
    facts = certificate.facts
    return CertificateShape(
        name=certificate.name,
        subject=facts and facts.subject,
        hosts=list(facts.hosts) if facts else [],
        not_after=facts and facts.not_after.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        expired=facts and facts.expired,
        self_signed=facts and facts.self_signed,
        has_key=certificate.has_key,
        used_by=list(certificate.used_by),
        error=certificate.error,
    )
