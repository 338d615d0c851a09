"""The little that the proxy understands of Kafka's protocol, read with kafka-python's own classes.

It reads the head of a frame, replaces the addresses in responses that name brokers, and says which
record batches a Produce request and its response are about. What kafka-python cannot decode, such
as a later version, is left as it is. Frames are bytes here, and begin with the four bytes of their
length.

Source: Kafka protocol guide, "Protocol Primitive Types" and "Messages"; KIP-516 (topic ids);
KIP-482 (tagged fields).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.protocol.admin.cluster import DescribeClusterResponse
from kafka.protocol.api_key import ApiKey
from kafka.protocol.metadata import FindCoordinatorResponse, MetadataResponse
from kafka.protocol.producer.produce import ProduceRequest, ProduceResponse
from kafka.protocol.schemas.fields.codecs import String

Address = tuple[str, int]
# The responses that tell a client where a broker is.
_NAMING = {
    ApiKey.Metadata: MetadataResponse,
    ApiKey.FindCoordinator: FindCoordinatorResponse,
    ApiKey.DescribeCluster: DescribeClusterResponse,
}
_NAMES = {int(key): key.name for key in ApiKey}
REQUEST_HEAD = 12  # bytes: length, api key, api version, correlation id
RESPONSE_HEAD = 8  # bytes: length, correlation id


class Batch(NamedTuple):
    """The records for one partition in a Produce request; `offset` and `error_code` come with the
    response, and `offset` is that of the first record."""

    topic: str | None  # None for a topic id that no Metadata response has named
    partition: int
    offset: int | None = None
    error_code: int = 0


@dataclass(slots=True, eq=False)
class Request:
    """A request, remembered until its response has come. api: the api's key, a number.

    frame: the whole request while a fault that needs it is being asked, otherwise b"".
    """

    api: int
    version: int
    correlation_id: int
    frame: bytes = b""

    @property
    def name(self) -> str:
        """The api's name in Kafka's protocol."""
        return _NAMES.get(self.api, f"api {self.api}")


def request_of(head: bytes) -> Request:
    """The request whose frame starts with these REQUEST_HEAD bytes."""
    return Request(*struct.unpack_from(">hhi", head, 4))


def correlation_id_of(head: bytes) -> int:
    """The correlation id of the response whose frame starts with these RESPONSE_HEAD bytes."""
    return int(struct.unpack_from(">i", head, 4)[0])


def names_brokers(request: Request) -> bool:
    """Whether the response will hold addresses, in a version that can be decoded."""
    response = _NAMING.get(request.api)
    return response is not None and 0 <= request.version <= response.max_version


def redirected(
    request: Request,
    response: bytes,
    place: Callable[[Address], Address],
    topic_names: dict[str, str],
) -> bytes:
    """The response with `place(address)` for each broker's address and no other byte changed.

    topic_names: names by topic id; those in a Metadata response are added. A response that cannot
    be decoded is returned as it is.
    """
    try:
        kind = _NAMING[ApiKey(request.api)]
        message: Any = kind.decode(response, version=request.version, header=True, framed=True)
        if request.api == ApiKey.FindCoordinator:
            nodes = message.coordinators if request.version >= 4 else [message]
        else:
            nodes = message.brokers
        if request.api == ApiKey.Metadata and request.version >= 10:
            topic_names.update({str(t.topic_id): t.name for t in message.topics if t.name})
        # Encoding it anew would lose the fields that kafka-python does not know (KIP-482).
        compact, pieces, at = kind.flexible_version_q(request.version), [], 4
        for node in nodes:
            if node.host and node.port > 0:  # a response with an error names no broker
                old = _encoded((node.host, node.port), compact)
                start = response.index(old, at)
                pieces += [response[at:start], _encoded(place((node.host, node.port)), compact)]
                at = start + len(old)
        body = b"".join([*pieces, response[at:]])
        return len(body).to_bytes(4, "big") + body
    except Exception:  # kafka-python does not say what its decoder may raise
        return response


def _encoded(address: Address, compact: bool) -> bytes:
    """Host and port as a response holds them: side by side, in every version."""
    host, port = address
    return bytes(String("utf-8").encode(host, compact)) + port.to_bytes(4, "big")


def produced(request: Request, topic_names: dict[str, str]) -> list[Batch]:
    """The batches of a Produce request that asks for an acknowledgement; of others none."""
    message = _decoded(ProduceRequest, request.frame, request.version)
    if message is None or message.acks == 0:
        return []
    return [
        Batch(_topic(topic, request, topic_names), part.index)
        for topic in message.topic_data
        for part in topic.partition_data
    ]


def acknowledged(request: Request, response: bytes, topic_names: dict[str, str]) -> list[Batch]:
    """The batches that a Produce response is about, with offsets and error codes."""
    message = _decoded(ProduceResponse, response, request.version)
    if message is None:
        return []
    return [
        Batch(_topic(topic, request, topic_names), part.index, part.base_offset, part.error_code)
        for topic in message.responses
        for part in topic.partition_responses
    ]


def _decoded(kind: Any, frame: bytes, version: int) -> Any:
    """The message in a frame, or None if it cannot be decoded."""
    try:
        return kind.decode(frame, version=version, header=True, framed=True)
    except Exception:  # kafka-python does not say what its decoder may raise
        return None


def _topic(topic: Any, request: Request, topic_names: dict[str, str]) -> str | None:
    return topic_names.get(str(topic.topic_id)) if request.version >= 13 else topic.name
