"""Workers: functions of the notebook that run as processes of their own, under supervision.

A lesson holds a `team`; a `_member` of it is one worker as the notebook sees it. `_ship` packs the
function for the journey, `_nursery` starts the process, and `_main` runs inside it. What a worker
does with Kafka is the function's own code.
"""

from kitlib.workers.team import Workers, stop_all

__all__ = ["Workers", "stop_all"]
