"""Gives a Kafka client the recorder that fits it, or says why it cannot be recorded.

It is apart from the journal, so that reading one does not need kafka-python.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from kitlib.errors import KitError
from kitlib.journal._consumer import ConsumerRecorder
from kitlib.journal._producer import ProducerRecorder
from kitlib.journal._tape import Tape


def record(tape: Tape, client: Any, actor: str | None) -> None:
    """From now on write what the client does to the tape.

    actor: the name in the rows; None for the chosen client_id, or else "producer" or "consumer".
    Raises KitError if this is not a client, or a closed one.
    """
    if isinstance(client, KafkaProducer):
        role = "producer"
    elif isinstance(client, KafkaConsumer):
        role = "consumer"
    else:
        raise KitError(
            what=f"Expected a KafkaProducer or a KafkaConsumer, got {type(client).__name__}.",
            fix="Write journal.record(producer) with the client itself.",
        )
    if client._closed:
        raise KitError(
            what=f"This {role} is closed, so nothing is left to record.",
            fix="Make a new one, and record it before you use it.",
        )
    client_id = client.config["client_id"]
    if actor is None:
        actor = role if client_id.startswith("kafka-python") else client_id
    if role == "producer":
        ProducerRecorder(tape, client, actor)
    else:
        ConsumerRecorder(tape, client, actor)
