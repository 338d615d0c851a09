"""Child processes that cannot outlive their owner.

`guarded` is the owner's side; `_guard` is the small process in between, which ends the child when
the owner is gone. `memory` tells whether the kernel did. This room knows nothing of Kafka.
"""

from kitlib.process.guarded import Guarded

__all__ = ["Guarded"]
