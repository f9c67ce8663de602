"""T26: the panel's TLS is none but 1.2 and up, its key is private, and no answer has a key."""

from __future__ import annotations

import shutil
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx2
import pytest

from app.cli.serve import serve
from app.panel_door import PanelLimits
from tests.certificates import Certificates, Pair
from tests.conftest import LaunchApp
from tests.running import PASSWORD, Api, AppThread, RunningApp, definition, free_port
from tests.waiting import DEADLINE_S, eventually

Private = Callable[[Pair], dict[str, str]]


@pytest.fixture
def private(folder: Path) -> Private:
    """The settings of a pair, whose key is copied for its owner alone."""

    def settings(pair: Pair) -> dict[str, str]:
        key = folder / "panel.key"
        shutil.copyfile(pair.private_key, key)
        key.chmod(0o600)
        return {"TLS_CERT": str(pair.certificate), "TLS_KEY": str(key)}

    return settings


@pytest.fixture
def encrypted(launch: LaunchApp, private: Private, certificates: Certificates) -> RunningApp:
    """An app that speaks TLS, and its API, which believes the certificate."""
    app = launch(private(certificates.server))
    app.url = app.url.replace("http:", "https:")
    app.api.close()
    app.api = Api(app.url, trusting=certificates.trusting())
    return app.start()


@pytest.fixture
def browser(encrypted: RunningApp, certificates: Certificates) -> Iterator[httpx2.Client]:
    """Somebody without a token."""
    client = httpx2.Client(
        base_url=encrypted.url,
        trust_env=False,
        timeout=DEADLINE_S,
        verify=certificates.trusting(),
    )
    with closing(client):
        yield client


def connected(port: int, most: ssl.TLSVersion) -> str | None:
    """The version that is agreed on with a client that has old ones too, up to `most`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL itself would not try
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = most
    with (
        socket.create_connection(("127.0.0.1", port), DEADLINE_S) as plain,
        context.wrap_socket(plain) as client,
    ):
        return client.version()


def test_t26_tls_1_1_is_refused(encrypted: RunningApp) -> None:
    assert connected(encrypted.port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert connected(encrypted.port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connected(encrypted.port, ssl.TLSVersion.TLSv1_1)
    assert encrypted.api.get("health")["status"] == "ok"


def test_t26_plain_http_gets_no_answer(encrypted: RunningApp) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"http://127.0.0.1:{encrypted.port}/login", trust_env=False)
    eventually(lambda: "did not agree on TLS" in encrypted.log)


def test_t26_no_answer_and_no_log_has_a_key(
    encrypted: RunningApp, browser: httpx2.Client, certificates: Certificates
) -> None:
    api, own = encrypted.api, certificates.renewed
    text = own.certificate.read_text() + own.private_key.read_text()
    api.post("certificates", {"name": "own", "pem": text})
    api.post("certificates/self-signed", {"name": "made", "hosts": ["localhost"]})
    server = api.post("servers", definition(tls={"certificate": "own"}))
    logged_in(browser)
    keys = [encrypted.data_dir / "tls" / "made.pem", own.private_key]
    keys.append(Path(encrypted.settings["TLS_KEY"]))
    answers = [
        browser.get(path)
        for path in (
            f"/api/v1/servers/{server['name']}",
            "/api/v1/servers",
            "/api/v1/certificates",
            "/api/v1/audit",
            "/certificates",
            f"/servers/{server['name']}",
        )
    ]
    told = [answer.text for answer in answers if answer.is_success]
    assert len(told) == len(answers), [answer.status_code for answer in answers]
    for text in (*told, encrypted.log):
        assert "PRIVATE KEY-----\n" not in text  # a hint of the form has no more of it
        for key in keys:
            secret = key.read_text().partition("PRIVATE KEY-----\n")[2][:60]
            assert len(secret) == 60
            assert secret not in text


def logged_in(browser: httpx2.Client) -> httpx2.Response:
    answer = browser.post("/login", data={"name": "admin", "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return answer


def test_t26_the_cookie_is_of_this_host_and_of_tls_alone(browser: httpx2.Client) -> None:
    cookie = logged_in(browser).headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "__Host-sockpit-session"
    parts = {part.strip().lower() for part in rest.split(";")[1:]}
    assert {"secure", "httponly", "path=/"} <= parts
    assert not [part for part in parts if part.startswith("domain")]
    assert browser.get("/servers").status_code == 200  # the browser that has it is let in by it


def test_t26_no_cookie_goes_over_anything_but_tls(browser: httpx2.Client) -> None:
    """Also those that are no secret, and those that are taken back."""
    logged_in(browser)
    user = {"name": "leo", "role": "viewer", "password": PASSWORD}
    answers = [
        browser.post("/theme", data={"theme": "dark"}),
        browser.post("/users", data=user),
        browser.get("/users"),
        browser.post("/logout"),
    ]
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    names = [cookie.partition("=")[0] for cookie in cookies]
    assert names == ["sockpit-theme", "sockpit-flash", "sockpit-flash", "__Host-sockpit-session"]
    for cookie in cookies:
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts, cookie
    assert not {"sockpit-flash", "__Host-sockpit-session"} & set(browser.cookies)


def test_t26_it_says_https_and_is_found_well(encrypted: RunningApp) -> None:
    assert f"Sockpit is at https://127.0.0.1:{encrypted.port} " in encrypted.log
    told = encrypted.command("healthcheck")
    assert (told.returncode, told.stdout, told.stderr) == (0, "ok\n", "")
    assert encrypted.stop() == 0


def test_t26_the_set_up_link_is_one_of_https(
    launch: LaunchApp, private: Private, certificates: Certificates
) -> None:
    app = launch(private(certificates.server))
    del app.settings["ADMIN_PASSWORD"]
    app.launch()
    eventually(lambda: f"  https://127.0.0.1:{app.port}/setup?key=" in app.log)


# -- what is no way to have TLS -----------------------------------------------------------------


def refusal(
    settings: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What the start says of them, in one line, before it makes a data directory."""
    data = folder / "never-made"
    for name, value in {"DATA_DIR": str(data), "PORT": str(free_port()), **settings}.items():
        monkeypatch.setenv(f"SOCKPIT_{name}", value)
    with pytest.raises(SystemExit) as ended:
        serve()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not data.exists()
    return line


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_t26_a_key_that_others_can_use_is_refused(
    mode: int,
    private: Private,
    certificates: Certificates,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = private(certificates.server)
    Path(settings["TLS_KEY"]).chmod(mode)
    line = refusal(settings, folder, monkeypatch, capsys)
    assert line.startswith("sockpit: SOCKPIT_TLS_KEY: ")
    assert f"{mode:04o}" in line
    assert f"chmod 600 {settings['TLS_KEY']}" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TLS_KEY": ""}, ("SOCKPIT_TLS_CERT", "SOCKPIT_TLS_KEY", "both or none")),
        ({"TLS_CERT": ""}, ("SOCKPIT_TLS_CERT", "SOCKPIT_TLS_KEY", "both or none")),
        ({"TLS_KEY": "/nowhere/a.key"}, ("SOCKPIT_TLS_KEY", "/nowhere/a.key")),
        ({"TLS_CERT": "/nowhere/a.pem"}, ("SOCKPIT_TLS_CERT", "/nowhere/a.pem")),
    ],
)
def test_t26_half_of_it_or_what_is_not_there_is_refused(
    change: dict[str, str],
    words: tuple[str, ...],
    private: Private,
    certificates: Certificates,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = private(certificates.server) | change
    line = refusal(settings, folder, monkeypatch, capsys)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("which", ["another", "encrypted", "no key"])
def test_t26_a_key_that_does_not_fit_is_refused(
    which: str,
    private: Private,
    certificates: Certificates,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = certificates.server
    keys = {
        "another": certificates.renewed.private_key,
        "encrypted": certificates.encrypted.private_key,
        "no key": server.certificate,
    }
    settings = private(Pair(server.certificate, keys[which]))
    line = refusal(settings, folder, monkeypatch, capsys)
    assert line.startswith("sockpit: SOCKPIT_TLS_CERT, SOCKPIT_TLS_KEY: ")
    assert settings["TLS_KEY"] in line


# -- those who never agree ----------------------------------------------------------------------


@pytest.fixture
def hasty(folder: Path, certificates: Certificates) -> Iterator[AppThread]:
    """An app that gives a handshake a second, and an address six places."""
    pair = certificates.server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.private_key)
    limits = PanelLimits(header_s=1.0, per_address=6)
    with closing(AppThread(folder, limits=limits, context=context)) as app:
        app.api.close()
        app.api = Api(app.url.replace("http:", "https:"), trusting=certificates.trusting())
        yield app


def test_t26_clients_that_never_agree_are_counted_and_cut(hasty: AppThread) -> None:
    silent = [socket.create_connection(("127.0.0.1", hasty.port)) for _ in range(6)]
    try:
        for one in silent:
            one.settimeout(DEADLINE_S)
        # All places are taken, and one of them is given up for who comes later.
        eventually(lambda: is_well(hasty.api))
        for one in silent:
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
    finally:
        for one in silent:
            one.close()
    assert hasty.api.get("health")["status"] == "ok"


def test_t26_who_agrees_and_says_nothing_more_not_even_goodbye_is_cut(
    hasty: AppThread, certificates: Certificates
) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), DEADLINE_S) as plain:
        below = plain.dup()  # TLS would answer a goodbye
        with below, certificates.trusting().wrap_socket(plain, server_hostname="localhost"):
            while below.recv(65_536):
                pass  # or it times out, well before asyncio's 30 s for a goodbye


def test_t26_it_ends_in_time_with_streams_and_handshakes_open(encrypted: RunningApp) -> None:
    with (
        socket.create_connection(("127.0.0.1", encrypted.port)),
        encrypted.api.client.stream("GET", "/api/v1/events") as stream,
    ):
        assert stream.status_code == 200
        assert encrypted.stop() == 0
    assert "Traceback" not in encrypted.log


def is_well(api: Api) -> bool:
    try:
        return api.call("GET", "health").is_success
    except httpx2.TransportError:
        return False


def test_t26_a_long_body_and_a_long_answer_cross_it(hasty: AppThread) -> None:
    hosts = [f"host-{number}.example" for number in range(100)]
    made = hasty.api.post("certificates/self-signed", {"name": "many", "hosts": hosts})
    assert len(made["hosts"]) == 100
    assert len(hasty.api.call("GET", "openapi.json").content) > 65_536
    assert hasty.api.call("POST", "servers", content=b" " * (1024 * 1024 + 1)).status_code == 413
