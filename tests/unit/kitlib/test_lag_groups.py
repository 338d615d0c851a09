"""Groups that kafka-python cannot describe: the meter shows their members, or tells the kind."""

from __future__ import annotations

from contextlib import closing

import pytest
from confluent_kafka import Consumer, ShareConsumer
from kafka import KafkaProducer

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.lag import LagMeter


def fill(kafka: Broker, topic: str, count: int = 3) -> None:
    kafka.fresh_topic(topic, partitions=2)
    with KafkaProducer(**kafka.connection) as producer:
        for number in range(count):
            producer.send(topic, b"event", partition=number % 2)


def test_a_group_of_kip_848_has_members_and_lag(kafka: Broker) -> None:
    fill(kafka, "modern")
    settings = {
        "bootstrap.servers": kafka.bootstrap_servers, "group.id": "modern", "client.id": "ana",
        "group.protocol": "consumer", "auto.offset.reset": "earliest", "enable.auto.commit": False,
    }  # fmt: skip
    meter = LagMeter(kafka, "modern")
    with closing(Consumer(settings)) as consumer:
        consumer.subscribe(["modern"])
        seen = []
        wait_until(lambda: seen.extend(consumer.consume(3, 0.1)) or len(seen) == 3, "all records")
        own = consumer.memberid()
        assert meter.measure()["member"].tolist() == [own, own]
        consumer.commit(asynchronous=False)
        frame = meter.measure()
        assert frame["lag"].tolist() == [0, 0] and frame["member"].tolist() == [own, own]
    fill_more = KafkaProducer(**kafka.connection)
    with fill_more:
        fill_more.send("modern", b"event", partition=0)
    wait_until(lambda: meter.measure()["member"].isna().all(), "the end of the member")
    assert meter.frame()["lag"].tolist() == [1, 0]


def test_a_share_group_has_no_lag_of_this_kind(kafka: Broker) -> None:
    fill(kafka, "shared")
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "sharing"}
    with closing(ShareConsumer(settings)) as consumer:
        consumer.subscribe(["shared"])
        meter = LagMeter(kafka, "sharing")

        def told() -> str:
            consumer.poll(0.1)
            try:
                return "" if meter.measure().empty else "measured"
            except KitError as error:
                return str(error)

        assert wait_until(told, "the group") == (
            "sharing is a share group, and has no lag of this kind.\n"
            "Its members acknowledge records one by one, so it commits no offset."
        )
        with pytest.raises(KitError, match="share group"):
            meter.start()
        assert not meter.running
