"""The proxy, abused: cut and endless frames, nonsense, a thousand connections, peers that vanish.

After each abuse a normal producer's record goes through the same proxy, and the proxy has no more
files open and holds no more memory than before.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.protocol.admin.cluster import DescribeClusterResponse
from kafka.protocol.metadata import FindCoordinatorResponse, MetadataRequest, MetadataResponse
from kafka.protocol.producer.produce import ProduceRequest
from kafka.record.memory_records import MemoryRecordsBuilder
from peers import Echo, answer, dial, echo, frame, read, serving

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.faults import Faults

Times = Callable[[int, int], int]
MB = 1_000_000
TOPIC = "abused"
PRODUCE, METADATA, COORDINATOR, CLUSTER = 0, 3, 10, 60


class Proxy:
    """The proxy under test: in front of the broker, and in front of scripted peers."""

    def __init__(self, kafka: Broker, faults: Faults, serve: Callable[[Any, Faults], str]) -> None:
        self.kafka, self.faults, self._serve = kafka, faults, serve
        self.address = str(kafka.behind(faults)["bootstrap_servers"])
        assert faults._process is not None
        self.process = psutil.Process(faults._process.pid)

    def before(self, handler: Any) -> str:
        """The address of a peer that `handler` plays, behind the proxy."""
        return self._serve(handler, self.faults)

    def memory(self) -> int:
        return int(self.process.memory_info().rss)

    def files(self) -> int:
        """How many files it has open when all its connections are gone."""
        listen = psutil.CONN_LISTEN
        wait_until(
            lambda: all(c.status == listen for c in self.process.net_connections("tcp")),
            "no connection is left in the proxy",
        )
        return int(self.process.num_fds())

    def settle(self) -> None:
        """Returns when the proxy has read what was sent to it so far.

        An order is obeyed in a round of its loop that reads the sockets, too, and maybe after it.
        """
        for _ in range(2):
            self.faults.armed()

    def round_trip(self) -> None:
        """A normal record reaches the log through this proxy."""
        with KafkaProducer(**self.kafka.behind(self.faults)) as producer:
            sent = producer.send(TOPIC, b"normal").get(30)
        stored = self.kafka.read(TOPIC).rows("stored")
        assert (stored[-1].offset, stored[-1].value) == (sent.offset, "normal")

    @contextlib.contextmanager
    def unharmed(self, most: int = 10 * MB) -> Iterator[None]:
        """Afterwards a record goes through, no file is left open, and memory grew by under `most`
        bytes."""
        self.round_trip()
        files, memory = self.files(), self.memory()
        yield
        self.round_trip()
        assert self.files() == files
        assert self.memory() - memory < most


@pytest.fixture(scope="module")
def proxy(kafka: Broker) -> Iterator[Proxy]:
    kafka.fresh_topic(TOPIC)
    with serving() as serve, Faults() as faults:
        yield Proxy(kafka, faults, serve)


@pytest.fixture(autouse=True)
def nothing_armed(proxy: Proxy) -> Iterator[None]:
    yield
    proxy.faults.clear()


def wary(faults: Faults) -> None:
    """Faults that let the proxy look into every frame and strike none of them."""
    faults.drop_ack(topic="another")
    faults.delay(1, api="Heartbeat")


def metadata_request(number: int, topic: str = TOPIC) -> bytes:
    request = MetadataRequest(version=12, topics=[MetadataRequest.MetadataRequestTopic(name=topic)])
    request.with_header(correlation_id=number)
    return bytes(request.encode(header=True, framed=True))


def produce_request(number: int, topic: str = TOPIC, value: bytes = b"cut") -> bytes:
    records = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1000)
    records.append(int(time.time() * 1000), b"key", value, [])  # an old one would be deleted
    records.close()
    data = ProduceRequest.TopicProduceData
    part = data.PartitionProduceData(index=0, records=bytes(records.buffer()))
    request = ProduceRequest(
        version=9, transactional_id=None, acks=-1, timeout_ms=10_000,
        topic_data=[data(name=topic, partition_data=[part])],
    )  # fmt: skip
    request.with_header(correlation_id=number)
    return bytes(request.encode(header=True, framed=True))


def ports(data: bytes, address: str, port: int) -> bytes:
    """The answer with this port in place of the broker's at `address`."""
    host, old = address.split(":")
    written = bytes([len(host) + 1]) + host.encode()
    return data.replace(written + struct.pack(">i", int(old)), written + struct.pack(">i", port))


# -- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize("armed", [False, True], ids=["calm", "wary"])
@pytest.mark.parametrize("ask", [metadata_request, produce_request])
def test_requests_and_answers_cut_at_every_byte(
    kafka: Broker, proxy: Proxy, times: Times, ask: Callable[..., bytes], armed: bool
) -> None:
    topic, step = kafka.fresh_topic("cut"), times(5, 1)  # `kit test` tries each fifth cut
    port = int(proxy.address.split(":")[1])
    with dial(kafka.bootstrap_servers) as stream:
        stream.sendall(ask(7, topic))
        plain = answer(stream)
    halves: list[bytes] = []

    class Halves(socketserver.BaseRequestHandler):
        """Answers each request in the two pieces that the test has laid out."""

        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while answer(self.request):
                self.request.sendall(halves[0])
                proxy.settle()
                self.request.sendall(halves[1])

    peer = proxy.before(Halves)
    with proxy.unharmed():
        if armed:
            wary(proxy.faults)
        size = len(ask(7, topic))
        with dial(proxy.address) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for cut in range(1, size, step):
                request = ask(cut, topic)
                stream.sendall(request[:cut])
                proxy.settle()
                stream.sendall(request[cut:])
                response = answer(stream)
                assert struct.unpack(">i", response[4:8])[0] == cut
                if ask is metadata_request:
                    expected = ports(plain, kafka.bootstrap_servers, port)
                    assert response[8:] == expected[8:], f"cut at {cut}"
        with dial(peer) as stream:
            for cut in range(1, len(plain), step):
                halves[:] = plain[:cut], plain[cut:]
                stream.sendall(ask(7, topic))
                assert answer(stream) == ports(plain, kafka.bootstrap_servers, port), f"at {cut}"
        proxy.faults.clear()
    stored = kafka.read(topic).rows("stored")
    count = 1 + len(range(1, size, step)) if ask is produce_request else 0  # one before the cuts
    assert [row.offset for row in stored] == list(range(count))


@pytest.mark.parametrize("api", [METADATA, PRODUCE, 1])
def test_frames_of_a_hundred_megabytes(proxy: Proxy, times: Times, api: int) -> None:
    """They pass unaltered, are kept only while they are decoded, and leave no memory behind."""
    rounds, piece = times(1, 10), bytes(range(250)) * 400
    count = 100 * MB // len(piece)
    peer = proxy.before(Echo)
    head = struct.pack(">ihhi", 8 + count * len(piece), api, 0, 1)
    most = start = proxy.memory()

    def pass_through(armed: bool) -> None:
        nonlocal most
        if armed:
            proxy.faults.drop_ack(topic="another")  # a Produce request has to be decoded for it
        with dial(peer) as stream:
            for _ in echo(stream, head, piece, count):
                most = max(most, proxy.memory())
        proxy.faults.clear()

    pass_through(True)
    # glibc keeps up to 64 MB of what is freed: mallopt(3), twice the largest M_MMAP_THRESHOLD. One
    # frame that stayed would be 100 MB.
    with proxy.unharmed(most=65 * MB):
        for number in range(rounds):
            pass_through(number % 2 == 0)
    # An api that no one decodes is not kept at all; one that is, is kept a few times over.
    assert most - start < (20 * MB if api == 1 else 500 * MB)


def test_unknown_apis_and_versions(kafka: Broker, proxy: Proxy, times: Times) -> None:
    """The client hears from the broker what it would hear without the proxy."""
    apis = range(-2, 110, times(4, 1))

    def heard(address: str, request: bytes) -> bytes:
        with dial(address) as stream, contextlib.suppress(ConnectionResetError):
            stream.sendall(request)
            return answer(stream)
        return b""

    with proxy.unharmed():
        answers = set()
        for api in apis:
            for version in (-1, 0, 1, 4, 9, 99):
                request = frame(api, 7, b"\xff\xff", version)  # with no client id
                direct = heard(kafka.bootstrap_servers, request)
                assert heard(proxy.address, request) == direct, (api, version)
                answers.add(direct)
        assert b"" in answers and len(answers) > 1  # most are refused; ApiVersions answers


# -- connections ---------------------------------------------------------------------------------


def reset(stream: socket.socket) -> None:
    """Vanish: the other side gets no FIN but a reset."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def test_connections_that_come_and_go(proxy: Proxy, times: Times) -> None:
    count, request = times(200, 10_000), metadata_request(1)
    with proxy.unharmed():
        for number in range(count):
            stream = dial(proxy.address)
            if number % 4 == 1:  # used; the others: opened only, left in a frame, reset
                stream.sendall(request)
                assert answer(stream)
            elif number % 4 == 2:
                stream.sendall(request[: number % len(request)])
            reset(stream) if number % 4 == 3 else stream.close()


def test_connections_at_once(proxy: Proxy, times: Times) -> None:
    count, request = times(100, 1000), metadata_request(1)
    with proxy.unharmed(most=20 * MB):
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(dial(proxy.address)) for _ in range(count)]
                for stream in streams[::10]:
                    stream.sendall(request)
                assert all(answer(stream) for stream in streams[::10])
                proxy.round_trip()


def test_clients_that_vanish(proxy: Proxy, times: Times) -> None:
    """In a frame, with an answer on its way, or idle for good: nobody else notices."""
    rounds, asked, sent = times(50, 2000), metadata_request(1), produce_request(1)
    with proxy.unharmed():
        idle = [dial(proxy.address) for _ in range(50)]
        wary(proxy.faults)
        for number in range(rounds):
            for whole in (asked, sent):
                stream = dial(proxy.address)
                stream.sendall(whole * 3 + whole[: number % len(whole)])
                reset(stream)
        proxy.round_trip()
        for stream in idle:
            stream.sendall(asked)
            assert answer(stream)
            stream.close()


def test_a_client_that_never_reads(proxy: Proxy, times: Times) -> None:
    """It stops the broker, not the proxy: what is not fetched is not kept."""

    class Flood(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(times(1, 10))
            piece, poured = frame(1, 1, bytes(100_000)), 0
            with contextlib.suppress(OSError):
                while poured < 500 * MB:
                    self.request.sendall(piece)
                    poured += len(piece)
            floods.append(poured)

    floods: list[int] = []
    peer = proxy.before(Flood)
    with proxy.unharmed():
        stream = dial(peer)
        wait_until(lambda: floods, "the peer gave up", 60)
        assert floods[0] < 50 * MB
        reset(stream)


@pytest.mark.parametrize("gone", ["silent", "reset", "half an answer"])
def test_a_broker_that_vanishes(proxy: Proxy, times: Times, gone: str) -> None:
    """The client is told at once when the broker breaks, and may leave one that is silent."""
    rounds = times(20, 500)

    class Vanishing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer(self.request)
            if gone == "half an answer":
                self.request.sendall(struct.pack(">ii", 1000, 7) + b"half")
            elif gone == "reset":
                reset(self.request)
            else:
                self.request.recv(1)

        def finish(self) -> None:
            self.request.close()

    peer = proxy.before(Vanishing)
    with proxy.unharmed():
        for _ in range(rounds):
            with dial(peer) as stream:
                stream.sendall(metadata_request(7))
                if gone == "silent":
                    stream.setblocking(False)
                    proxy.settle()
                    with pytest.raises(BlockingIOError):
                        stream.recv(1)
                    continue
                with contextlib.suppress(ConnectionResetError):
                    assert read(stream, 100) in (b"", struct.pack(">ii", 1000, 7) + b"half")


# -- nonsense ------------------------------------------------------------------------------------


def test_random_bytes_as_a_client(proxy: Proxy, times: Times) -> None:
    """The broker of this test takes no large requests: a few of a claimed 100 MB are its end."""

    @settings(max_examples=times(60, 3000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        parts=some.lists(
            some.binary(max_size=300)
            | some.builds(
                frame, api=some.integers(-5, 100), number=some.integers(-9, 9),
                body=some.binary(max_size=100), version=some.integers(-1, 15),
            ),
            min_size=1, max_size=5,
        ),
        armed=some.booleans(),
    )  # fmt: skip
    def abuse(parts: list[bytes], armed: bool) -> None:
        if armed:
            wary(proxy.faults)
        with dial(address) as stream, contextlib.suppress(ConnectionError):
            for part in parts:
                stream.sendall(part)
            with contextlib.suppress(OSError):  # the proxy has ended it already
                stream.shutdown(socket.SHUT_WR)
            while stream.recv(65536):  # ends in time, or raises TimeoutError
                pass
        proxy.faults.clear()

    with Broker({"socket.request.max.bytes": "1000000"}) as broker:
        address = str(broker.behind(proxy.faults)["bootstrap_servers"])
        with proxy.unharmed():
            abuse()
        assert broker.topics() == []


HOSTS = [("broker-1", 9092), ("127.0.0.1", 1), ("a..b", 65535), ("x" * 200, 70_000)]
NAMING = {METADATA: MetadataResponse, COORDINATOR: FindCoordinatorResponse,
          CLUSTER: DescribeClusterResponse}  # fmt: skip


class Scripted(socketserver.BaseRequestHandler):
    """Answers every request with what the test has put into `response`."""

    response = b""

    def handle(self) -> None:
        while answer(self.request):
            self.request.sendall(self.response)


def naming(api: int, version: int, hosts: list[tuple[str, int]], unknown: bytes) -> bytes:
    """An answer that names these brokers, with a tagged field or bytes that nobody knows."""
    kind: Any = NAMING[api]
    if api == COORDINATOR and version >= 4:
        nodes = [kind.Coordinator(key="g", node_id=n, host=h, port=p, error_code=0)
                 for n, (h, p) in enumerate(hosts)]  # fmt: skip
        message = kind(version=version, coordinators=nodes)
    elif api == COORDINATOR:
        message = kind(version=version, node_id=1, host=hosts[0][0], port=hosts[0][1])
    elif api == METADATA:
        nodes = [kind.MetadataResponseBroker(node_id=n, host=h, port=p, rack="r")
                 for n, (h, p) in enumerate(hosts)]  # fmt: skip
        message = kind(version=version, brokers=nodes, topics=[], cluster_id="c", controller_id=1)
    else:
        nodes = [kind.DescribeClusterBroker(broker_id=n, host=h, port=p, rack="r")
                 for n, (h, p) in enumerate(hosts)]  # fmt: skip
        message = kind(version=version, brokers=nodes, cluster_id="c", controller_id=1)
    message.with_header(correlation_id=7)
    body = bytes(message.encode(header=True, framed=True))[4:]
    if unknown and kind.flexible_version_q(version):
        body = body[:-1] + bytes([1, 99, len(unknown)])
    body += unknown
    return struct.pack(">i", len(body)) + body


def test_only_the_addresses_of_an_answer_change(proxy: Proxy, times: Times) -> None:
    """Whatever else is in it: fields of a later Kafka, bytes at its end."""
    peer = proxy.before(Scripted)
    named = dict(zip(HOSTS, range(len(HOSTS)), strict=True))

    @settings(max_examples=times(100, 5000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        api=some.sampled_from(list(NAMING)),
        version=some.integers(0, 12),
        hosts=some.lists(some.sampled_from(HOSTS), min_size=1, max_size=4),
        unknown=some.binary(max_size=20),
    )
    def pass_on(api: int, version: int, hosts: list[Any], unknown: bytes) -> None:
        version = min(version, NAMING[api].max_version)
        if api == COORDINATOR and version < 4:
            hosts = hosts[:1]
        Scripted.response = naming(api, version, hosts, unknown)
        stream.sendall(frame(api, 7, version=version))
        response = answer(stream)
        moved = NAMING[api].decode(response, version=version, header=True, framed=True)
        nodes = getattr(moved, "brokers", None) or getattr(moved, "coordinators", None) or [moved]
        assert {node.host for node in nodes} == {"127.0.0.1"}
        places = [("127.0.0.1", int(node.port)) for node in nodes]
        assert response == naming(api, version, places, unknown)
        for host, place in zip(hosts, places, strict=True):
            known = named.setdefault(host, place[1])
            named[host] = known if known > len(HOSTS) else place[1]
            assert named[host] == place[1]

    proxy.round_trip()
    with dial(peer) as stream:
        pass_on()
    proxy.round_trip()
    # Behind each of these addresses there is nobody, or there cannot be: the client is told so.
    for host in HOSTS:
        if named[host] > len(HOSTS):
            with dial(f"127.0.0.1:{named[host]}") as stream, contextlib.suppress(ConnectionError):
                assert stream.recv(1) == b""


def test_random_bytes_as_a_broker(proxy: Proxy, times: Times) -> None:
    """They come through as they are, whatever the client had asked for."""
    peer = proxy.before(Scripted)

    @settings(max_examples=times(100, 5000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        api=some.sampled_from([PRODUCE, 1, METADATA, CLUSTER, 18, 99]),
        version=some.integers(-1, 14),
        body=some.binary(max_size=200),
        framed=some.booleans(),
    )
    def nonsense(api: int, version: int, body: bytes, framed: bool) -> None:
        # Without frames it starts like no length: of a frame's head no part is passed on.
        Scripted.response = struct.pack(">ii", 4 + len(body), 7) if framed else b"\xff\xff\xff\xff"
        Scripted.response += body
        wary(proxy.faults)
        with dial(peer) as stream:
            stream.sendall(frame(api, 7, version=version))
            assert read(stream, len(Scripted.response)) == Scripted.response
        proxy.faults.clear()

    with proxy.unharmed():
        nonsense()


def test_what_a_learner_sees_of_a_broker_that_speaks_nonsense(proxy: Proxy, times: Times) -> None:
    """An error of Kafka's, in time; the same faults go on serving the real broker."""
    rounds = times(1, 20)
    Scripted.response = frame(1, 1, b"nonsense " * 20)
    peer = proxy.before(Scripted)
    with proxy.unharmed():
        for _ in range(rounds):
            with pytest.raises(KafkaError):
                KafkaProducer(bootstrap_servers=peer, bootstrap_timeout_ms=1000)
        assert repr(proxy.faults) == "Faults(nothing armed)"
