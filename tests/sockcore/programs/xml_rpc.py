"""xmlrpc.server answers calls, faults, introspection and several calls in one."""

from __future__ import annotations

import socketserver
import xmlrpc.client
import xmlrpc.server
from typing import Any

from tests.sockcore.programs.serving import origin, serving


class ThreadingRPCServer(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    """The mix-in before a server with a constructor of its own."""


def _half(number: int) -> float:
    if number % 2:
        raise ValueError("odd")
    return number / 2


def _call(proxy: Any) -> list[object]:
    calls: Any = xmlrpc.client.MultiCall(proxy)
    calls.half(8)
    calls.pow(2, 3)
    answers: list[object] = [proxy.half(4), list(calls()), "half" in proxy.system.listMethods()]
    try:
        proxy.half(3)
    except xmlrpc.client.Fault as fault:
        answers.append(fault.faultString)
    return answers


def run() -> dict[str, object]:
    seen: dict[str, object] = {"origin": origin(xmlrpc.server.SimpleXMLRPCServer)}
    for server_class in (xmlrpc.server.SimpleXMLRPCServer, ThreadingRPCServer):
        server: Any = server_class(("127.0.0.1", 0), logRequests=False)
        server.register_introspection_functions()
        server.register_multicall_functions()
        server.register_function(_half, "half")
        server.register_function(pow)
        with serving(server):
            address = "http://{}:{}".format(*server.server_address)
            with xmlrpc.client.ServerProxy(address) as proxy:
                seen[server_class.__name__] = _call(proxy)
    return seen
