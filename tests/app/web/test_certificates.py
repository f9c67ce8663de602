from __future__ import annotations

import re

import pytest

from tests.app.web.conftest import Panel, told
from tests.certificates import Certificates


def names(panel: Panel) -> list[str]:
    return [c["name"] for c in panel.http.get("/api/v1/certificates").json()["items"]]


def key_and_certificate(certificates: Certificates) -> str:
    pair = certificates.server
    return "".join(p.read_text(encoding="ascii") for p in (pair.private_key, pair.certificate))


def test_an_empty_page_says_how_to_begin(panel: Panel) -> None:
    html = panel.html("/certificates")
    assert "None yet" in html
    assert 'href="/certificates" aria-current="page"' in html


def test_one_is_made_listed_and_deleted(panel: Panel) -> None:
    answer = panel.post("/certificates/self-signed", name="lab", hosts="lab.example, 127.0.0.1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/certificates")
    html = panel.html("/certificates")
    assert "The certificate lab is there" in html
    row = re.search(r'<tr id="certificate-lab">.*?</tr>', html, re.S)
    assert row
    for shown in ("CN=lab.example", "lab.example, 127.0.0.1", "self-signed", "no server"):
        assert shown in row[0]
    asked = panel.html("/certificates/lab/delete")
    assert "Delete lab?" in asked
    assert "its private key with it" in asked
    assert names(panel) == ["lab"], "asking deletes nothing"
    answer = panel.post("/certificates/lab/delete")
    assert answer.headers["Location"] == "/certificates"
    assert names(panel) == []


@pytest.mark.parametrize("way", ["pasted", "file"])
def test_one_is_stored(panel: Panel, certificates: Certificates, way: str) -> None:
    pem = key_and_certificate(certificates)
    file = pem.encode() if way == "file" else b""
    answer = panel.http.post(
        "/certificates",
        data={"name": "mine", "pem": "" if file else pem},
        files={"file": ("mine.pem" if file else "", file, "application/octet-stream")},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert names(panel) == ["mine"]


def test_what_is_wrong_is_told_in_the_form_it_came_from(
    panel: Panel, certificates: Certificates
) -> None:
    answer = panel.post("/certificates/self-signed", name="Bad", hosts="")
    assert answer.status_code == 422
    assert "A name is" in told(answer.text, "make-name")
    assert told(answer.text, "make-hosts")
    assert "error-store" not in answer.text
    assert 'value="Bad"' in answer.text
    certificate = certificates.server.certificate.read_text(encoding="ascii")
    key = certificates.client.private_key.read_text(encoding="ascii")
    answer = panel.post("/certificates", name="other", pem=key + certificate)
    assert answer.status_code == 422
    assert "not that of the first certificate" in told(answer.text, "pem")
    assert "PRIVATE KEY-----\n" not in answer.text, "a key is not sent back"
    assert 'value="other"' in answer.text


def test_one_in_use_offers_no_deletion_and_refuses_it(panel: Panel) -> None:
    panel.post("/certificates/self-signed", name="lab", hosts="localhost")
    panel.define("secure", tls={"certificate": "lab"}, running=False)
    html = panel.html("/certificates")
    assert 'href="/servers/secure">secure</a>' in html
    assert 'href="/certificates/lab/delete"' not in html
    assert "secure" in panel.html("/certificates/lab/delete")
    answer = panel.post("/certificates/lab/delete")
    assert answer.status_code == 409
    assert "secure" in answer.text
    assert names(panel) == ["lab"]


def test_what_is_not_there_is_a_page_that_leads_on(panel: Panel) -> None:
    assert "no certificate" in panel.html("/certificates/nope/delete", 404)
