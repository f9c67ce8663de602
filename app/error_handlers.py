"""Every refusal and failure as its answer: a problem document for programs, a page elsewhere."""

from __future__ import annotations

import logging
import uuid
from http import HTTPStatus

from anyio import BrokenResourceError
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem_response
from app.deps import is_for_programs
from app.errors import AppError, FieldError, Invalid, TooMany, Unauthorized
from app.web.view import error_page, login_first

log = logging.getLogger("app.errors")

#: What HTTPException says of itself is a status; these say it in words, with a way out.
_SENTENCES = {
    404: ("not_found", "There is nothing at this address. Start from the list of servers."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("body_too_large", "The body is longer than 1 MiB, the most that is taken."),
}


class HttpError(AppError):
    """A refusal by the framework, with its status."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.status = status


def respond(request: Request, error: AppError) -> Response:
    """`error` in the form that the asker reads."""
    if is_for_programs(request):
        response: Response = problem_response(error)
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Unauthorized):
        response = login_first(request, error)
    else:
        response = error_page(request, error)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def install(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Faults)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return respond(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    """Path and query parameters of the wrong kind."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        FieldError("wrong_type", f"{e['msg']}.", ".".join(map(str, e["loc"][1:])) or "body")
        for e in error.errors()
    ]
    return respond(request, Invalid(*wrong))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    code, detail = _SENTENCES.get(status, (f"http_{status}", f"{error.detail}."))
    response = respond(request, HttpError(status, code, detail))
    response.headers.update(error.headers or {})
    return response


class Faults:
    """Answers what no route expected.

    The framework's own place for this logs the fault a second time and closes the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = False

        async def noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except ClientDisconnect:
            return  # in the middle of its request: nobody is left to be answered
        except Exception as error:
            if answering and _is_of_one_who_left(error):
                return
            if answering or scope["type"] != "http":
                raise
            request = Request(scope, receive)
            await _failed(request, error)(scope, receive, send)


def _is_of_one_who_left(error: Exception) -> bool:
    """Whether a stream of FastAPI's ended amid an event, as it does when its watcher is gone: what
    hands events on fails there before it is cancelled (FastAPI's discussion 15725)."""
    return isinstance(error, ExceptionGroup) and error.split(BrokenResourceError)[1] is None


def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has the traceback, the answer the id to find it by."""
    mark = uuid.uuid4().hex[:12]
    log.error("%s %s failed, id %s", request.method, request.url.path, mark, exc_info=error)
    detail = f"Sockpit failed at this. The log has the cause under the id {mark}."
    return respond(request, HttpError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail))
