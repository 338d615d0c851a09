"""The responses that name brokers, from a real broker in every version."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.protocol.admin.cluster import DescribeClusterRequest, DescribeClusterResponse
from kafka.protocol.metadata import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from peers import answer, dial

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.faults import Faults

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
                response = answer(stream)
            return dict(
                answering.decode(response, version=version, header=True, framed=True).to_dict()
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
