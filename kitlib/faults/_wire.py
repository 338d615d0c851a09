"""The little that the proxy must understand of Kafka's protocol, by kafka-python's own classes.

It reads the head of a frame, writes other addresses into the answers that name brokers, and says
which partitions a Produce request and its answer are about. A version that kafka-python does not
know is not decoded: the caller passes such a frame on as it is. Frames are bytes here, with the
four bytes of their length in front.

Source: Kafka protocol guide, "Protocol Primitive Types" and "Messages"; KIP-516 (topic ids);
KIP-482 (tagged fields).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.protocol.admin.cluster import DescribeClusterResponse
from kafka.protocol.api_key import ApiKey
from kafka.protocol.metadata import FindCoordinatorResponse, MetadataResponse
from kafka.protocol.producer.produce import ProduceRequest, ProduceResponse
from kafka.protocol.schemas.fields.codecs import String

if TYPE_CHECKING:
    from kitlib.faults._fault import Fault

Address = tuple[str, int]
# The answers that tell a client where a broker is.
_NAMING = {
    ApiKey.Metadata: MetadataResponse,
    ApiKey.FindCoordinator: FindCoordinatorResponse,
    ApiKey.DescribeCluster: DescribeClusterResponse,
}
_NAMES = {int(key): key.name for key in ApiKey}
REQUEST_HEAD = 12  # length, api key, api version, correlation id
RESPONSE_HEAD = 8  # length, correlation id


class Part(NamedTuple):
    """A partition in a Produce request (no offset and error yet) or in its answer."""

    topic: str | None  # None: an id that no Metadata answer has named
    partition: int
    offset: int | None = None
    error: int = 0


@dataclass(slots=True, eq=False)
class Call:
    """A request, until its answer has come. api: the api's number; name: as in Kafka's protocol.

    frame: the whole request while a fault that needs it is armed, otherwise b"". taken: the fault
    that decides about the answer.
    """

    api: int
    version: int
    number: int
    frame: bytes = b""
    taken: Fault | None = None

    @property
    def name(self) -> str:
        return _NAMES.get(self.api, f"api {self.api}")


def call_of(head: bytes) -> Call:
    """The request that starts with these 12 bytes."""
    number = int.from_bytes
    return Call(
        number(head[4:6], "big", signed=True),
        number(head[6:8], "big", signed=True),
        number(head[8:12], "big", signed=True),
    )


def names_brokers(call: Call) -> bool:
    """Whether the answer tells addresses, in a version that can be decoded."""
    response = _NAMING.get(call.api)
    return response is not None and 0 <= call.version <= response.max_version


def moved(
    call: Call, frame: bytes, place: Callable[[Address], Address], names: dict[str, str]
) -> bytes:
    """The answer with `place(address)` for each broker's address, and no other byte changed.

    names: topic names by topic id, which a Metadata answer adds to. What cannot be decoded is
    returned as it is.
    """
    try:
        kind = _NAMING[ApiKey(call.api)]
        message: Any = kind.decode(frame, version=call.version, header=True, framed=True)
        if call.api == ApiKey.FindCoordinator:
            nodes = message.coordinators if call.version >= 4 else [message]
        else:
            nodes = message.brokers
        if call.api == ApiKey.Metadata and call.version >= 10:
            names.update({str(t.topic_id): t.name for t in message.topics if t.name})
        # Encoding it anew would lose the fields that kafka-python does not know (KIP-482).
        compact, pieces, at = kind.flexible_version_q(call.version), [], 4
        for node in nodes:
            if node.host and node.port > 0:  # an answer with an error names nobody
                old = _written((node.host, node.port), compact)
                start = frame.index(old, at)
                pieces += [frame[at:start], _written(place((node.host, node.port)), compact)]
                at = start + len(old)
        body = b"".join([*pieces, frame[at:]])
        return len(body).to_bytes(4, "big") + body
    except Exception:  # what kafka-python's decoder raises is not defined
        return frame


def _written(address: Address, compact: bool) -> bytes:
    """Host and port as they stand in an answer, side by side in every version."""
    host, port = address
    return bytes(String("utf-8").encode(host, compact)) + port.to_bytes(4, "big")


def produced(call: Call, names: dict[str, str]) -> list[Part]:
    """The partitions of a Produce request that is to be acknowledged; none if it is not one."""
    if not call.frame or not 0 <= call.version <= ProduceRequest.max_version:
        return []
    try:
        request: Any = ProduceRequest.decode(
            call.frame, version=call.version, header=True, framed=True
        )
    except Exception:
        return []
    if request.acks == 0:
        return []
    return [
        Part(_topic(topic, call, names), part.index)
        for topic in request.topic_data
        for part in topic.partition_data
    ]


def acknowledged(call: Call, frame: bytes, names: dict[str, str]) -> list[Part]:
    """The partitions of the answer to a Produce request, with offsets and error codes."""
    try:
        answer: Any = ProduceResponse.decode(frame, version=call.version, header=True, framed=True)
    except Exception:
        return []
    return [
        Part(_topic(topic, call, names), part.index, part.base_offset, part.error_code)
        for topic in answer.responses
        for part in topic.partition_responses
    ]


def _topic(topic: Any, call: Call, names: dict[str, str]) -> str | None:
    return names.get(str(topic.topic_id)) if call.version >= 13 else topic.name
