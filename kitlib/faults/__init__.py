"""Faults on the way between clients and a real Kafka: a proxy that understands Kafka's frames.

`Faults` is what a lesson holds: it starts the proxy as a process of its own, arms faults in it and
records in a journal what they did. Each fault has a file of its own, and `Link` in `_fault.py`
names everything that a fault may do. The proxy decodes no more than it needs, changes no record and
stores nothing. It does not work with encrypted connections.
"""

from kitlib.faults._control import Faults

__all__ = ["Faults"]
