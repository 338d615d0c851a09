"""Frames that arrive late, as producers and raw clients meet them."""

from __future__ import annotations

import socketserver
import struct
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaProducer
from peers import dial, frame, read

from kitlib.broker import Broker
from kitlib.faults import Faults


class Answer(socketserver.BaseRequestHandler):
    """Answers every request with its correlation id and no body."""

    def handle(self) -> None:
        stream = self.request.makefile("rb")
        while head := stream.read(12):
            size, _, _, number = struct.unpack(">ihhi", head)
            stream.read(size - 8)
            self.request.sendall(struct.pack(">ii", 4, number))


@pytest.mark.parametrize("direction", ["request", "response"])
def test_delay_lets_others_go_first(
    kafka: Broker,
    faults: Faults,
    acknowledged_first: Callable[[bytes], list[str]],
    direction: str,
) -> None:
    kafka.behind(faults)
    faults.delay(20_000, api="Produce", direction=direction, times=1)
    # Clearing sends what waits: nobody waits 20 s.
    assert acknowledged_first(b"x") == ["direct", "behind"]
    (row,) = faults.journal.rows("fault")
    assert row.detail is not None
    assert row.detail["delay_ms"] == 20_000


def test_a_delay_that_nobody_clears_ends_by_itself(kafka: Broker, faults: Faults) -> None:
    kafka.fresh_topic("late")
    producer = KafkaProducer(**kafka.behind(faults), batch_size=0)
    faults.delay(20, api="Produce")
    futures = [producer.send("late", b"%d" % number) for number in range(20)]
    assert [future.get(20).offset for future in futures] == list(range(20))
    producer.close()


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
