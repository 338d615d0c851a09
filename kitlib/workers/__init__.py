"""Workers: functions of the notebook that run as processes of their own, under supervision.

`team` is what a lesson holds, `_member` one worker as the notebook sees it, `_ship` packs the
function for the journey, `_nursery` forks the process, and `_main` is what runs inside it.
"""

from kitlib.workers.team import Workers, stop_all

__all__ = ["Workers", "stop_all"]
