from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from app.domain import DATAGRAMS, RequestDetail
from app.export.pcapng import encode
from tests.app.export.capture import blocks, options, packets
from tests.app.export.samples import request, requests


def test_an_empty_log_is_a_section_with_an_interface() -> None:
    (_, section), (_, interface) = blocks(b"".join(encode([])))
    assert options(section[16:]) == {4: b"Sockpit"}
    assert options(interface[8:]) == {2: b"sockpit", 9: b"\x06"}
    assert packets(b"".join(encode([]))) == []


@settings(deadline=None, max_examples=60)
@given(requests())
def test_any_request_is_played_as_far_as_it_was_kept(detail: RequestDetail) -> None:
    talk = packets(b"".join(encode([detail])))
    received = b"".join(packet.data for packet in talk if packet.from_client)
    sent = b"".join(packet.data for packet in talk if not packet.from_client)
    assert (received, sent) == (detail.received.prefix, detail.sent.prefix)
    moments = [packet.at_us for packet in talk]
    assert moments == sorted(moments)
    assert moments[0] >= max(0, detail.summary.started_us)
    assert detail.summary.id in talk[0].comment
    assert len({(packet.from_client, packet.source, packet.target) for packet in talk}) <= 2
    datagram = detail.summary.transport in DATAGRAMS
    assert {packet.protocol for packet in talk} == {17 if datagram else 6}


@pytest.mark.parametrize("us", [-1, 2**64, 2**80])
def test_a_wrong_clock_is_no_reason_to_fail(us: int) -> None:
    (packet,) = packets(b"".join(encode([request(1, transport="udp", started_us=us)])))
    assert packet.at_us == min(max(us, 0), 2**64 - 1)


def test_a_comment_fits_its_block() -> None:
    detail = request(1, transport="udp", server="龍" * 30_000)
    (packet,) = packets(b"".join(encode([detail])))
    assert packet.comment.startswith("request 20260314-1 of 龍")
    assert len(packet.comment.encode()) <= 4096


def test_a_name_that_is_no_text_is_spelt_out() -> None:
    detail = request(1, transport="udp")
    detail = replace(detail, summary=replace(detail.summary, server="a\udc80", peer="\udc80"))
    (packet,) = packets(b"".join(encode([detail])))
    assert packet.comment == "request 20260314-1 of a\\udc80: ok"
