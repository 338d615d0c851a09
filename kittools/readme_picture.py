"""Draws the README's picture, `docs/order.png`, from a real log.

It sends the first sixty events of `data/` to an embedded broker, reads the topic back, and lets the
kit draw where one student's events are. Run it with `.venv/bin/python -m kittools.readme_picture`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kafka import KafkaProducer

import kitlib as kit

TARGET = Path(__file__).parent.parent / "docs" / "order.png"
TOPIC = "enrollment-requests"


def main() -> None:
    """Send, read back and draw; print the alternative text for the README."""
    with kit.Broker() as kafka:
        kafka.fresh_topic(TOPIC, partitions=3)
        with KafkaProducer(**kafka.connection) as producer:
            for event in kit.load_events(limit=60):
                producer.send(TOPIC, key=event.key, value=event.to_json())
        log = kafka.read(TOPIC)
    busy = Counter(row.key for row in log).most_common(2)[1][0]
    ax = kit.plot_order(log, highlight=busy)
    ax.figure.savefig(TARGET, dpi=110)
    print(kit.describe(ax))


if __name__ == "__main__":
    main()
