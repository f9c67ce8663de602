"""The handshake step by step, for servers that must not block."""

from __future__ import annotations

import select
import ssl

import pytest

from sockcore.tls import handshake_step, peer_certificate_subject
from tests.certificates import CLIENT_SUBJECT, Certificates
from tests.sockcore.secure import context_of, secured
from tests.sockcore.serving import DEADLINE_S, in_thread, join, wait_until
from tests.sockcore.wires import tcp_pair

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_steps_of_a_socket_that_does_not_block(certificates: Certificates) -> None:
    near, far = tcp_pair()
    context = context_of(
        certificates, client_ca=certificates.ca.certificate, client_certificates="required"
    )
    ours = context.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
    ours.setblocking(False)
    far.settimeout(DEADLINE_S)
    clients: list[ssl.SSLSocket] = []
    trusting = certificates.trusting(certificates.client)
    with ours, in_thread(lambda: clients.append(secured(far, trusting))) as shaking:
        while handshake_step(ours) != "done":  # "read": there is room for what it writes
            assert select.select([ours], [], [], DEADLINE_S)[0]
        join(shaking)
        assert peer_certificate_subject(ours) == CLIENT_SUBJECT
    clients[0].close()


def test_step_of_a_handshake_that_fails(certificates: Certificates) -> None:
    near, far = tcp_pair()
    ours = context_of(certificates).wrap_socket(
        near, server_side=True, do_handshake_on_connect=False
    )
    ours.settimeout(0)
    with ours, far:
        assert handshake_step(ours) == "read"
        far.sendall(b"GET / HTTP/1.1\r\n\r\n")

        def failed() -> bool:
            try:
                return handshake_step(ours) != "read"
            except ssl.SSLError as error:
                return error.reason == "HTTP_REQUEST"

        wait_until(failed, "the failure")
