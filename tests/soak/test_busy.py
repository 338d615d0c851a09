"""Lessons on a machine that has other things to do: no claim may depend on a quiet one."""

from __future__ import annotations

from collections.abc import Callable

import busy

Times = Callable[[int, int], int]
TASKS = busy.tasks()
# First the lesson that counts batches.
FIRST = sorted(TASKS, key=lambda task: task[0] != "01")


def test_a_lesson_on_a_core_that_it_shares_with_three_busy_loops(times: Times) -> None:
    with busy.loops(3):
        told = [busy.run(task, pinned=True) for task in FIRST[: times(1, len(TASKS))]]
    assert [failed for failed in told if failed] == []


def test_twelve_lessons_at_once(times: Times) -> None:
    count = times(1, 2 * len(TASKS))
    assert busy.run_at_once(12, (2 * TASKS)[:count]) == []
