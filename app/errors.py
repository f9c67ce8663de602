"""What can be refused, each with a code, a sentence and, where there is one, the field at fault.

Knows nothing of FastAPI: `error_handlers.py` turns these into a problem document or a page.

    AppError
    |- Unauthorized      401   nobody known asks
    |- NotFound          404
    |- Conflict          409
    |- Forbidden         403
    |- TooLarge          413
    |- Invalid           422   may carry several field errors
    |- TooMany           429   says after how many seconds to come again
    `- Unavailable       503
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `field` is its dotted path in the JSON body, `address.port` for one."""

    code: str
    detail: str
    field: str


class AppError(Exception):
    """A refusal that a user reads: names the cause and, where there is one, the way out."""

    status = 500

    def __init__(self, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field

    @property
    def fields(self) -> tuple[FieldError, ...]:
        """Every field at fault, the first one first; empty when no field is."""
        return (FieldError(self.code, self.detail, self.field),) if self.field else ()


class Unauthorized(AppError):
    status = 401


class NotFound(AppError):
    status = 404


class Conflict(AppError):
    status = 409


class Forbidden(AppError):
    status = 403


class TooLarge(AppError):
    status = 413


class TooMany(AppError):
    status = 429

    def __init__(self, code: str, detail: str, retry_after_s: int) -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class Unavailable(AppError):
    status = 503


class Invalid(AppError):
    """One or more fields are wrong; all of them are told at once, up to `MOST`: a body of many
    thousand wrong fields would be answered with many times its size."""

    MOST: Final = 100

    status = 422

    def __init__(self, *errors: FieldError) -> None:
        first = errors[0]
        super().__init__(first.code, first.detail, first.field)
        self._errors = errors[: self.MOST]

    @property
    def fields(self) -> tuple[FieldError, ...]:
        return self._errors
