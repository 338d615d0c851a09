"""One correction of kafka-python 3.0.12, without which a consumer can stop for ever.

The leader of a group joins again when it sees new partitions. If a `poll` times out after the
broker has answered that join and before the assignment arrives, the client's two snapshots of the
partitions agree again: `need_rejoin` says no, nobody collects the join that is under way, and from
then on the consumer owns nothing and sends no heartbeats. Shorter polls make this more likely.
Here a join under way counts as needed until it is collected; nothing else about the client changes.
"""

import functools
from typing import Any

from kafka.coordinator.consumer import ConsumerCoordinator


@functools.cache
def apply() -> None:
    """Correct the consumers of this process, existing ones too; calling it again is harmless."""
    original = ConsumerCoordinator.need_rejoin

    def need_rejoin(self: Any) -> bool:
        joining = self._join_task is not None and self._subscription.partitions_auto_assigned()
        return bool(joining or original(self))

    ConsumerCoordinator.need_rejoin = need_rejoin
