"""What passes the proxy: any bytes, unaltered, and long frames without being kept."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from kafka import KafkaConsumer, KafkaProducer
from peers import Echo, dial, echo, frame, read

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.faults import Faults

FRAMES = some.builds(
    frame,
    api=some.integers(-5, 100),
    number=some.integers(-(2**31), 2**31 - 1),
    body=some.binary(max_size=200),
    version=some.integers(-1, 15),
)


@pytest.fixture(scope="module")
def echoes(serve: Callable[[Any, Faults], str]) -> Iterator[list[str]]:
    """The address of an echo behind no fault, and behind faults that look at every frame."""
    with Faults() as calm, Faults() as wary:
        addresses = [serve(Echo, calm), serve(Echo, wary)]
        wary.drop_ack(times=None)
        wary.delay(1, api="Heartbeat")
        wary.delay(1, api="Metadata", direction="request")
        yield addresses


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=some.lists(FRAMES | some.binary(max_size=30), max_size=6),
    cuts=some.lists(some.integers(1, 40), min_size=1, max_size=20),
    wary=some.booleans(),
)
def test_any_bytes_in_any_pieces_come_through(
    echoes: list[str], parts: list[bytes], cuts: list[int], wary: bool
) -> None:
    frames = b"".join(part for part in parts if is_frame(part))
    no_frames = struct.pack(">i", -1) + b"".join(parts)
    for sent in (frames, no_frames):
        with dial(echoes[wary]) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            at = 0
            while at < len(sent):
                step = cuts[at % len(cuts)]
                stream.sendall(sent[at : at + step])
                at += step
            assert read(stream, len(sent)) == sent


def is_frame(part: bytes) -> bool:
    return len(part) >= 4 and struct.unpack(">i", part[:4])[0] == len(part) - 4


@pytest.mark.parametrize("api", [0, 3, 99])
def test_a_frame_longer_than_any_is_not_kept(
    serve: Callable[[Any, Faults], str], faults: Faults, api: int
) -> None:
    address = serve(Echo, faults)
    faults.drop_ack()
    assert faults._process is not None
    proxy = psutil.Process(faults._process.pid)
    piece, count = bytes(range(256)) * 4096, 120
    head = struct.pack(">ihhi", 8 + count * len(piece), api, 0, 1)
    before = most = proxy.memory_info().rss
    with dial(address) as stream:
        for _ in echo(stream, head, piece, count):
            most = max(most, proxy.memory_info().rss)
    assert most - before < 20e6


def test_a_record_of_ten_megabytes(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("large", max_message_bytes=20_000_000)
    sender = KafkaProducer(
        **kafka.behind(faults), max_request_size=20_000_000, enable_idempotence=False
    )
    faults.drop_ack(topic="large")
    value = bytes(range(250)) * 40_000
    assert sender.send("large", value).get(20).offset == 1
    sender.close()
    reader = KafkaConsumer(
        "large",
        **kafka.behind(faults),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=20_000_000,
    )
    values: list[bytes] = []
    wait_until(lambda: len(add(reader, values)) == 2, "both records are read")
    reader.close()
    assert values == [value, value]


def add(reader: KafkaConsumer, values: list[bytes]) -> list[bytes]:
    for records in reader.poll(200).values():
        values += [record.value for record in records]
    return values
