"""The fields of the server form, and the JSON body that they stand for.

What is no number where one belongs stays text: the service says what is wrong with it. Knows no
HTTP and no templates.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.deps import Services
from app.domain import (
    CLIENT_CERTIFICATES,
    CONCURRENCIES,
    STREAMS,
    TRANSPORTS,
    Capture,
    InetAddress,
    Limits,
    ServerSpec,
    Tls,
)
from app.errors import AppError
from app.handlers.registry import OptionInfo
from app.services.limits import LIMIT_KEYS

Values = Mapping[str, str]

_UNIX = ("unix", "unix-datagram")

#: Limits that few servers need to change.
ADVANCED = tuple(
    key for key in LIMIT_KEYS if key not in ("max_connections", "idle_timeout_s", "backlog")
)

#: The choice of a certificate that does not exist yet: it is made when the form is sent. No
#: certificate can have this name.
MAKE = "+self-signed"

#: A form's field by the path of the JSON body's; options are `option.<handler>.<option>`.
_FIELDS = {
    "address.host": "host",
    "address.port": "port",
    "address.name": "socket_name",
    "tls.client_ca": "client_ca",
    "tls.client_certificates": "client_certificates",
    "tls.certificate": "certificate",
    "tls": "certificate",
    "hosts": "certificate",
    "capture": "capture",
    "capture.policy": "capture",
    "capture.bytes": "capture_bytes",
    "capture.mask": "mask",
    **{f"limits.{key}": key for key in LIMIT_KEYS},
}


def blank(found: Services) -> dict[str, str]:
    """The form as it is for a new server."""
    usable = [info.key for info in found.handlers.entries() if not info.broken]
    return {
        "name": "",
        "transport": TRANSPORTS[0],
        "concurrency": CONCURRENCIES[0],
        "isolation": "thread",
        "handler": usable[0] if usable else "",
        "host": found.settings.listen_hosts[0] if found.settings.listen_hosts else "",
        "port": "0",
        "socket_name": "",
        "start": "on",
        **_tls_values(None),
        **_limit_values(Limits()),
        **_capture_values(Capture()),
    }


def filled(spec: ServerSpec) -> dict[str, str]:
    """The form as it would be for `spec`."""
    values = {
        "name": spec.name,
        "transport": spec.transport,
        "concurrency": spec.concurrency,
        "isolation": spec.isolation,
        "handler": spec.handler,
        **_tls_values(spec.tls),
        **_limit_values(spec.limits),
        **_capture_values(spec.capture),
    }
    for option, value in spec.handler_options.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        values[f"option.{spec.handler}.{option}"] = text
    if isinstance(spec.address, InetAddress):
        return {**values, "host": spec.address.host, "port": str(spec.address.port)}
    return {**values, "socket_name": spec.address.name}


def body(found: Services, given: Values) -> dict[str, object]:
    """The JSON body that the form stands for, but for its name and wanted state."""
    limits = {key: _number(given[key].strip()) for key in LIMIT_KEYS if given.get(key, "").strip()}
    stands_for: dict[str, object] = {
        "transport": given.get("transport", ""),
        "concurrency": given.get("concurrency", ""),
        "handler": given.get("handler", ""),
        "handler_options": _options(found, given),
        "address": _address(given),
        "tls": _tls(given),
        "limits": limits,
        "capture": _capture(given),
    }
    # A forking server has its own process whatever the two buttons say, which are not shown then.
    forking = given.get("concurrency") == "forking"
    stands_for["isolation"] = "process" if forking else given.get("isolation", "thread")
    return stands_for


def errors(refusal: AppError | None, values: Values) -> tuple[dict[str, str], str | None]:
    """Sentences by the form's field, and one for the form when no field is at fault."""
    found: dict[str, str] = {}
    for wrong in refusal.fields if refusal else ():
        field = _field(wrong.field, values)
        found[field] = f"{found[field]} {wrong.detail}" if field in found else wrong.detail
    return found, None if found or not refusal else refusal.detail


def _field(path: str, values: Values) -> str:
    if path == "address":
        return "socket_name" if values.get("transport") in _UNIX else "host"
    if path.startswith("handler_options."):
        return f"option.{values.get('handler', '')}.{path.removeprefix('handler_options.')}"
    return _FIELDS.get(path, path)


def _limit_values(limits: Limits) -> dict[str, str]:
    values = {key: getattr(limits, key) for key in LIMIT_KEYS}
    return {k: str(int(v)) if v == int(v) else str(v) for k, v in values.items()}


def _capture_values(capture: Capture) -> dict[str, str]:
    return {
        "capture": capture.policy,
        "capture_bytes": str(capture.bytes),
        "mask": "\n".join(capture.mask),
    }


def _capture(given: Values) -> dict[str, object]:
    """A mask is a line; a space at its end belongs to it."""
    capture: dict[str, object] = {}
    if "capture" in given:
        capture["policy"] = given["capture"]
    if given.get("capture_bytes", "").strip():
        capture["bytes"] = _number(given["capture_bytes"].strip())
    if "mask" in given:
        lines = given["mask"].replace("\r\n", "\n").split("\n")
        capture["mask"] = [line for line in lines if line.strip()]
    return capture


def _tls_values(tls: Tls | None) -> dict[str, str]:
    return {
        "certificate": tls.certificate if tls else "",
        "client_ca": (tls.client_ca or "") if tls else "",
        "client_certificates": tls.client_certificates if tls else CLIENT_CERTIFICATES[0],
    }


def _tls(given: Values) -> dict[str, object] | None:
    """None: off, or there can be none."""
    certificate = given.get("certificate", "")
    if not certificate or given.get("transport") not in STREAMS:
        return None
    return {
        "certificate": certificate,
        "client_ca": given.get("client_ca", "") or None,
        "client_certificates": given.get("client_certificates", CLIENT_CERTIFICATES[0]),
    }


def _address(given: Values) -> dict[str, object]:
    if given.get("transport") in _UNIX:
        return {"name": given.get("socket_name", "").strip()}
    port = given.get("port", "").strip()
    return {"host": given.get("host", "").strip(), "port": _number(port) if port else 0}


def _options(found: Services, given: Values) -> dict[str, object]:
    """The options of the chosen handler that were given and are not as by default."""
    key = given.get("handler", "")
    info = found.handlers.get(key)
    options: dict[str, object] = {}
    for option in info.options if info else ():
        text = given.get(f"option.{key}.{option.name}", given.get(f"option.{option.name}"))
        if text is None or (not text.strip() and option.type != "str"):
            continue
        value = _typed(option, text)
        if value != option.default:
            options[option.name] = value
    return options


def _typed(option: OptionInfo, text: str) -> object:
    if option.type == "str":
        return text
    if option.type == "bool":
        return {"true": True, "false": False}.get(text, text)
    return _number(text.strip())


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
