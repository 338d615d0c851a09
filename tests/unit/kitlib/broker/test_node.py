"""A broker starts, keeps a record, stands beside another one, and leaves nothing behind."""

from __future__ import annotations

import os

import psutil
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from kitlib.broker import _prepare as prepare
from kitlib.broker._node import Node


def ready() -> None:
    """Fetch and make what a broker starts from."""
    prepare.prepare()


def test_two_brokers_side_by_side_keep_their_own_records() -> None:
    ready()
    nodes = [Node(), Node()]
    try:
        for node in nodes:
            node.launch()
        addresses = [node.wait_ready() for node in nodes]
        assert len(set(addresses)) == 2
        for address in addresses:
            admin = KafkaAdminClient(bootstrap_servers=address)
            admin.create_topics([NewTopic("enrollment-requests", 1, 1)])
            admin.close()
            producer = KafkaProducer(bootstrap_servers=address)
            assert producer.send("enrollment-requests", b"S17").get(30).offset == 0
            producer.close()
    finally:
        for node in nodes:
            node.stop()
    for node in nodes:
        assert not psutil.pid_exists(node.process.pid)
        assert not os.path.exists(node.folder)
        assert "Kafka Server started" in node.log.read_text("utf-8")
