"""What passes the proxy: any bytes unaltered, long frames without being kept, and no address."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from kafka import KafkaConsumer, KafkaProducer
from kafka.protocol.admin.cluster import DescribeClusterRequest, DescribeClusterResponse
from kafka.protocol.metadata import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from peers import Echo, answer, dial, echo, frame, read, serving

from kitlib._wait import wait_until
from kitlib.broker.handle import Broker
from kitlib.faults import Faults
from kitlib.workers import Workers


class Answer(socketserver.BaseRequestHandler):
    """Answers every request with its correlation id and no body."""

    def handle(self) -> None:
        stream = self.request.makefile("rb")
        while head := stream.read(12):
            size, _, _, number = struct.unpack(">ihhi", head)
            stream.read(size - 8)
            self.request.sendall(struct.pack(">ii", 4, number))


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Any, Faults], str]]:
    with serving() as start:
        yield start


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
        wary.bandwidth(100_000)
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


def test_an_answer_waits_only_behind_the_one_that_is_late(
    serve: Callable[[Any, Faults], str], faults: Faults
) -> None:
    address = serve(Answer, faults)
    faults.delay(300, api="Produce", times=1)
    with dial(address) as late, dial(address) as other:
        late.sendall(frame(0, 1) + frame(12, 2))
        faults.journal.wait("fault")
        other.sendall(frame(0, 3))
        assert read(other, 8) == struct.pack(">ii", 4, 3)
        late.setblocking(False)
        with pytest.raises(BlockingIOError):
            late.recv(1)
        late.settimeout(20)
        assert read(late, 16) == struct.pack(">iiii", 4, 1, 4, 2)


def test_a_broker_that_is_not_there_ends_the_connection(faults: Faults) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    address = faults.behind({"bootstrap_servers": address})["bootstrap_servers"]
    with dial(address) as stream, contextlib.suppress(ConnectionResetError):
        assert stream.recv(1) == b""


ASKED = [
    (MetadataRequest, MetadataResponse, range(14), {"topics": None}),
    (FindCoordinatorRequest, FindCoordinatorResponse, range(7), {}),
    (DescribeClusterRequest, DescribeClusterResponse, range(3), {}),
]


@pytest.mark.parametrize(("asking", "answering", "versions", "fields"), ASKED)
def test_only_addresses_change_in_every_version(
    kafka: Broker, faults: Faults, asking: Any, answering: Any, versions: range, fields: Any
) -> None:
    kafka.fresh_topic("addresses", partitions=2)
    proxied = kafka.behind(faults)["bootstrap_servers"]
    for version in versions:
        if asking is FindCoordinatorRequest:
            fields = {"coordinator_keys": ["g"]} if version >= 4 else {"key": "g"}
        message = asking(version=version, **fields)
        message.with_header(correlation_id=7, client_id="test")

        def ask(address: str, message: Any = message, version: int = version) -> dict[str, Any]:
            with dial(address) as stream:
                stream.sendall(message.encode(header=True, framed=True))
                found = answer(stream)
            return dict(
                answering.decode(found, version=version, header=True, framed=True).to_dict()
            )

        # The first coordinator is named once the broker has made the topic of the offsets.
        wait_until(lambda ask=ask: nodes_of(ask(kafka.bootstrap_servers))[0]["port"] > 0, "a name")
        direct, moved = ask(kafka.bootstrap_servers), ask(proxied)
        for nodes in (nodes_of(direct), nodes_of(moved)):
            assert len(nodes) == 1
        assert nodes_of(direct)[0]["port"] == int(kafka.bootstrap_servers.split(":")[1])
        assert nodes_of(moved)[0]["port"] == int(proxied.split(":")[1])
        for node in nodes_of(direct) + nodes_of(moved):
            node["host"] = node["port"] = None
        assert direct == moved


def nodes_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(answer.get("brokers") or answer.get("coordinators") or [answer])


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


def member(me: Any) -> None:
    consumer = KafkaConsumer(
        "group-behind", **me.connection, group_id="behind", auto_offset_reset="earliest"
    )
    me.record(consumer)
    try:
        while not me.stopping:
            consumer.poll(100)
    finally:
        consumer.close()


def test_a_consumer_group_never_meets_the_broker_itself(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("group-behind", partitions=2)
    sender = KafkaProducer(**kafka.behind(faults))
    for number in range(10):
        sender.send("group-behind", b"%d" % number, partition=number % 2)
    sender.close()
    with Workers(kafka.behind(faults), member, journal=faults.journal) as team:
        team.start("ana", "ben")
        faults.journal.wait("consumed", 10)
        proxy = int(kafka.behind(faults)["bootstrap_servers"].split(":")[1])
        ports: set[int] = set()
        for pid in team.states()["pid"]:
            for connection in psutil.Process(pid).net_connections("tcp"):
                ports |= {connection.raddr.port} if connection.raddr else set()
        assert ports == {proxy}
    assert {row.offset for row in faults.journal.rows("committed")}
