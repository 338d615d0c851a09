"""Connections through the proxy: how they begin and end, and that no client goes around it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
from kafka import KafkaConsumer, KafkaProducer
from peers import dial, frame

from kitlib.broker import Broker
from kitlib.faults import Faults
from kitlib.faults._link import Proxy, ProxyLink
from kitlib.workers import Workers


def test_a_broker_that_is_not_there_ends_the_connection(faults: Faults) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    address = faults.behind({"bootstrap_servers": address})["bootstrap_servers"]
    with dial(address) as stream, contextlib.suppress(ConnectionResetError):
        assert stream.recv(1) == b""


def test_a_request_waits_for_the_connection_to_its_broker() -> None:
    request = frame(12, 1, b"early")

    async def forwarded() -> bytes:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[bytes] = loop.create_future()

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set_result(await reader.readexactly(len(request)))
            writer.close()

        class Early(asyncio.Protocol):
            """Hands a request to the link as soon as the client is there."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                link.up.connection_made(transport)
                assert link.down.transport is None
                link.up.data_received(request)

        broker = await asyncio.start_server(receive, "127.0.0.1", 0)
        link = ProxyLink(Proxy(report=print), broker.sockets[0].getsockname())
        here, there = socket.socketpair()
        with here, there:
            await loop.connect_accepted_socket(Early, there)
            response = await asyncio.wait_for(arrived, 20)
            link.cut()
            broker.close()
        return response

    # On a thread: another test's browser may have left a loop running on this one.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, forwarded()).result() == request


class Undone(asyncio.Protocol):
    """As CPython before 3.11.4: what is paused while a connection is made reads all the same."""

    def __init__(self, link: ProxyLink) -> None:
        self.link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        asyncio.get_running_loop().call_soon(transport.resume_reading)
        self.link.up.connection_made(transport)


def test_nothing_is_read_before_the_broker_is_there_even_where_a_pause_is_undone() -> None:
    async def reading() -> bool:
        proxy = Proxy(report=print)
        proxy.spawn = lambda work: work.close()  # type: ignore[method-assign]  # never connects
        link = ProxyLink(proxy, ("127.0.0.1", 1))
        here, there = socket.socketpair()
        with here, there:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Undone(link), there
            )
            for _ in range(3):  # rounds of the loop, in which it would begin to read
                await asyncio.sleep(0)
            begun = transport.is_reading()
            link.cut()
        return begun

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, reading()).result() is False


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
