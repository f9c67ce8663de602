from __future__ import annotations

import inspect

import sockcore
from app.domain import CONCURRENCIES, STREAMS, TRANSPORTS
from app.services.kinds import KIND_CLASSES, KINDS

MIXINS = {
    "pool": sockcore.PoolMixIn,
    "threading": sockcore.ThreadingMixIn,
    "event": sockcore.EventMixIn,
    "forking": sockcore.ForkingMixIn,
}


def test_every_transport_goes_with_every_concurrency_but_datagrams_with_events() -> None:
    every = [
        (transport, concurrency)
        for transport in TRANSPORTS
        for concurrency in CONCURRENCIES
        if concurrency != "event" or transport in STREAMS
    ]
    assert [(kind.transport, kind.concurrency) for kind in KINDS] == every
    assert set(KIND_CLASSES) == set(every)


def test_each_says_in_a_sentence_of_its_own_when_to_choose_it() -> None:
    sentences = [kind.sentence for kind in KINDS]
    assert len(set(sentences)) == len(sentences)
    assert all("choose it " in sentence and sentence.endswith(".") for sentence in sentences)


def test_the_class_of_a_kind_is_what_the_kind_says() -> None:
    for (transport, concurrency), server_class in KIND_CLASSES.items():
        mixin = MIXINS.get(concurrency)
        assert mixin is None or issubclass(server_class, mixin)
        assert (concurrency == "single") == (not issubclass(server_class, tuple(MIXINS.values())))
        assert issubclass(server_class, sockcore.UDPServer) == (
            transport in ("udp", "unix-datagram")
        )
        family = inspect.getattr_static(server_class, "address_family")
        assert (family.name == "AF_UNIX") == transport.startswith("unix")
