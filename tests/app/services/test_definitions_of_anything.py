"""Whatever JSON can spell, either it is a definition or it is refused with reasons."""

from __future__ import annotations

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import ServerSpec
from app.errors import AppError
from app.services.definitions import amend, define
from app.services.limits import LIMIT_KEYS
from app.services.masks import Masks
from tests.app.services.test_amendments import SPEC
from tests.app.services.test_definitions import AROUND, TCP, UNIX

# What JSON can spell: lone surrogates, huge numbers and NaN among it.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
#: No text of chance: a resolver would go and ask the network for it.
HOST = st.sampled_from(["127.0.0.1", "::1", "::", "10.0.0.7", "localhost", "inside.test", ""])


def near(*good: object) -> st.SearchStrategy[object]:
    return st.sampled_from(good) | JSON


def _begun(beginning: str) -> st.SearchStrategy[str]:
    return TEXT.map(lambda text: beginning + text)


ADDRESS = st.fixed_dictionaries(
    {},
    optional={
        "host": HOST | st.integers() | st.none(),
        "port": st.integers(-2, 70_000) | JSON,
        "name": near("a.sock", "..", "a/b"),
        "other": JSON,
    },
)
MASK = st.sampled_from(["text:", "re:", ""]).flatmap(_begun)
CAPTURE = st.fixed_dictionaries(
    {},
    optional={
        "policy": near("full", "preview", "sizes"),
        "bytes": st.integers(-2, 2**25) | JSON,
        "mask": st.lists(MASK, max_size=18) | JSON,
        "other": JSON,
    },
)
LIMITS = st.dictionaries(st.sampled_from(LIMIT_KEYS) | TEXT, JSON, max_size=3)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "name": near("clock-1", "a"),
        "transport": near("tcp", "udp", "unix", "unix-datagram"),
        "concurrency": near("single", "pool", "event", "forking"),
        "isolation": near("thread", "process"),
        "tls": near(None, {"certificate": "good"}, {"certificate": "good", "client_ca": "ca"}),
        "handler": near("echo", "clock", "greeter.py:Greeter", "upper.py:UpperUDP"),
        "handler_options": st.dictionaries(
            st.sampled_from(["utc", "upper", "banner"]) | TEXT, JSON, max_size=2
        )
        | JSON,
        "address": ADDRESS | st.lists(JSON, max_size=2) | SCALAR,
        "limits": LIMITS | JSON,
        "capture": CAPTURE | JSON,
        "wanted": near("running", "stopped"),
        "other": JSON,
    },
)


def check(outcome: ServerSpec | AppError) -> None:
    """A spec that could be kept and shown, or a refusal that could be."""
    if isinstance(outcome, ServerSpec):
        kept = json.dumps(outcome.handler_options, ensure_ascii=False, allow_nan=False)
        assert json.loads(kept.encode()) == outcome.handler_options
        assert defined_again(outcome) == outcome
        assert not Masks(outcome.capture.mask).faults
        return
    assert outcome.fields
    for fault in outcome.fields:
        assert fault.code
        assert len(f"{fault.detail}{fault.field}".encode()) < 2000


def defined_again(spec: ServerSpec) -> ServerSpec:
    return amend(spec, {"wanted": spec.wanted, "handler_options": spec.handler_options}, AROUND)


@settings(deadline=None)
@given(st.sampled_from([{}, TCP, UNIX]), BODY | st.dictionaries(TEXT, JSON, max_size=3))
def test_any_body_is_a_definition_or_is_refused_with_reasons(
    good: dict[str, object], asked: dict[str, object]
) -> None:
    body = {**good, **asked}
    before = copy.deepcopy(body)
    try:
        outcome: ServerSpec | AppError = define(body, AROUND)
    except AppError as refused:
        outcome = refused
    check(outcome)
    assert repr(body) == repr(before)


@settings(deadline=None)
@given(BODY)
def test_any_change_is_made_or_is_refused_with_reasons(body: dict[str, object]) -> None:
    try:
        outcome: ServerSpec | AppError = amend(SPEC, body, AROUND)
    except AppError as refused:
        outcome = refused
    check(outcome)
    if isinstance(outcome, ServerSpec):
        assert (outcome.name, outcome.created_us) == (SPEC.name, SPEC.created_us)
