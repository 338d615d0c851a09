"""Lessons in wrong hands: cells in another order, cells interrupted, always in a real kernel.

Whatever is shown names no frame of the kit: errors are the learner's own, Kafka's, or a KitError.
No cell waits for ever. Afterwards the lesson runs from its top in the same kernel, no worker is
left, no group has a member, and when the kernel ends, nothing that it started goes on.
"""

from __future__ import annotations

import os
import random
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.manager import KernelManager

from kitlib._wait import wait_until
from kittools import course

MARK = "KIT_TEST_KERNEL"
CELL_S = 600  # as in `kit run`: no cell may take longer, whatever it waits for
OURS = re.compile(r"kitlib/[\w/]+\.py")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# What is left in the kernel: workers that run, and members of groups.
LEFT = """
import kitlib as _kit
from kitlib.workers import team as _workers
_admin = _kit.connect().admin()
_groups = [group["group_id"] for group in _admin.list_groups()]
_left = [name for team in _workers._teams for name in team._running()] + [
    (name, member["client_id"])
    for name in _groups for member in _admin.describe_groups([name])[name]["members"]
]
"""
# The whole trace of the last error, with the frames that a learner is not shown; "" of a KitError.
RAISED = """
import sys as _sys, traceback as _traceback
_error = _sys.last_value
_raised = "".join(_traceback.format_exception(_error))
if "kitlib" in _sys.modules and isinstance(_error, _sys.modules["kitlib"].KitError):
    _raised = ""
"""


@dataclass
class Shown:
    """What a learner sees of a cell. error: its name, "" if there is none."""

    error: str = ""
    trace: str = ""
    text: str = ""
    interrupted: bool = False
    source: str = field(default="", repr=False)


class Kernel:
    """A kernel as JupyterLab has one."""

    def __init__(self, folder: Path) -> None:
        self.mark = uuid.uuid4().hex
        self._folder = TemporaryDirectory(prefix="kit-kernel-", ignore_cleanup_errors=True)
        config = course.kernel_config(self._folder.name)
        self._manager = KernelManager(kernel_name="python3", config=config)
        self._manager.start_kernel(
            cwd=str(folder),
            env=os.environ | {MARK: self.mark},
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, source: str, interrupt_s: float | None = None, at: str = "") -> Shown:
        """Run a cell; interrupt it after so long, or when it prints `at`, as a stop button does."""
        shown = Shown(source=source)
        number = self._client.execute(source)
        begin = time.monotonic()
        running = False
        while True:
            if running and interrupt_s is not None and not shown.interrupted:
                patience = max(0.0, begin + interrupt_s - time.monotonic())
            else:
                patience = begin + CELL_S - time.monotonic()
            try:
                message = self._client.get_iopub_msg(timeout=max(patience, 0.001))
            except Empty:
                if running and interrupt_s is not None and not shown.interrupted:
                    shown.interrupted = True
                    self._manager.interrupt_kernel()
                    continue
                raise AssertionError(f"it did not end within {CELL_S} s: {source}") from None
            if message["parent_header"].get("msg_id") != number:
                continue
            content = message["content"]
            if message["msg_type"] == "execute_input":
                running, begin = True, time.monotonic()
            elif message["msg_type"] == "error":
                shown.error = content["ename"]
                shown.trace += COLOURS.sub("", "\n".join(content["traceback"]))
            elif message["msg_type"] == "stream":
                shown.text += content["text"]
                if at and at in shown.text and not shown.interrupted:
                    shown.interrupted = True
                    self._manager.interrupt_kernel()
            elif message["msg_type"] == "display_data":
                shown.text += content["data"].get("text/plain", "")
            elif content.get("execution_state") == "idle":
                break
        try:
            reply = self._reply(number, 10 if shown.interrupted else CELL_S)
        except Empty:
            # An interrupt just after the code meets ipykernel, which then sends no reply.
            assert shown.interrupted, source
            return shown
        if reply["status"] == "error" and not shown.error:
            shown.error = reply["ename"]  # a KitError: shown as its sentences
        return shown

    def _reply(self, number: str, timeout_s: float = CELL_S) -> dict[str, Any]:
        while True:
            message = self._client.get_shell_msg(timeout=timeout_s)
            if message["parent_header"].get("msg_id") == number:
                return dict(message["content"])

    def value(self, source: str, name: str) -> Any:
        """Run this silently and return the repr of a name in it."""
        asked = self._client.execute(source, silent=True, user_expressions={"it": name})
        reply = self._reply(asked)
        assert reply["status"] == "ok", reply
        return reply["user_expressions"]["it"]["data"]["text/plain"]

    def processes(self) -> list[psutil.Process]:
        """Everything that this kernel has started, and that runs."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def shutdown(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()
        self._folder.cleanup()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel(course.NOTEBOOKS)
    try:
        assert kernel.processes()
        yield kernel
    finally:
        kernel.shutdown()
    wait_until(lambda: not kernel.processes(), "all processes of the kernel have ended", 30)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All lessons in `kit soak`, the shortest in `kit test`."""
    if "path" in metafunc.fixturenames:
        chosen = course.find([] if metafunc.config.getoption("--long") else ["00"])
        metafunc.parametrize("path", chosen, ids=lambda path: path.stem)


def cells(path: Path) -> list[str]:
    """The code cells as a learner finds them, who has then answered the exercises."""
    notebook = course.with_solutions(nbformat.read(path, as_version=4))
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def check(kernel: Kernel, shown: Shown) -> None:
    """No frame of the kit is shown, and no error but a KitError was raised by the kit itself."""
    assert not OURS.search(shown.trace + shown.text), f"{shown.source}\n{shown.trace}{shown.text}"
    assert "Custom TB Handler failed" not in shown.text, shown.text
    if shown.error not in ("", "KeyboardInterrupt"):
        raised = kernel.value(RAISED, "_raised").replace("\\n", "\n")
        [*_, last] = re.findall(r'File "([^"]+)"', raised) or [""]
        assert "kitlib/" not in last, f"{shown.source}\n{raised}"


# What lessons and kit load. An import that is cut short is Python's to suffer, and tested apart.
LIBRARIES = """
for _name in ("anywidget", "ipywidgets", "matplotlib.pyplot", "pandas", "psutil",
              "kafka", "kafka.admin", "kitlib"):
    __import__(_name)
"""


def from_the_top(kernel: Kernel, code: list[str], told: str) -> None:
    for source in code:
        shown = kernel.run(source)
        assert not shown.error, f"{told}\n{source}\n{shown.trace or shown.text}"
    wait_until(lambda: kernel.value(LEFT, "_left") == "[]", "nobody is left in a group", 60)
    assert [one.name() for one in kernel.processes()].count("java") == 1  # the lesson's broker


def test_neighbours_swapped(kernel: Kernel, path: Path) -> None:
    """A learner runs the second cell, then the first, the fourth, the third, and so on."""
    code = cells(path)
    seen = set()
    for number in range(0, len(code), 2):
        for source in reversed(code[number : number + 2]):
            shown = kernel.run(source)
            check(kernel, shown)
            seen.add(shown.error)
    assert "NameError" in seen  # so the cells do depend on each other
    from_the_top(kernel, code, "after the neighbours")


def test_every_cell_interrupted(kernel: Kernel, path: Path) -> None:
    """At a random moment; a cell may be done by then."""
    seed = int(path.name[:2]) + 1
    rng, code, stopped = random.Random(seed), cells(path), 0
    assert not kernel.run(LIBRARIES).error
    for source in code:
        wait_s = rng.uniform(0, 1.5)
        shown = kernel.run(source, interrupt_s=wait_s)
        told = f"seed {seed}, after {wait_s:.3f} s: {shown}\n{source}"
        check(kernel, shown)
        if shown.interrupted:
            # What an interrupted cell did not make is missing in the next.
            assert shown.error in ("", "KeyboardInterrupt", "NameError"), told
            stopped += shown.error == "KeyboardInterrupt"
            assert kernel.value(LEFT, "_left")
    assert stopped
    from_the_top(kernel, code, f"seed {seed}")


def test_an_import_interrupted(kernel: Kernel, tmp_path: Path) -> None:
    """Python keeps what it has of a library, so the learner is told what helps."""
    (tmp_path / "slow.py").write_text("import time\nprint('there', flush=True)\ntime.sleep(60)\n")
    kernel.run(f"import sys, kitlib\nsys.path.insert(0, {str(tmp_path)!r})")
    shown = kernel.run("import slow", at="there")
    assert shown.error == "KeyboardInterrupt"
    assert "restart the kernel" in shown.text
    assert not kernel.run("kitlib.Journal()").error


# It says "now" when the main thread waits, not in a line before that, which could be interrupted.
WAITS = """\
import sys, threading, time
def tell():
    inside = set()
    while "wait_until" not in inside:
        time.sleep(0.01)
        frame = sys._current_frames()[threading.main_thread().ident]
        inside = set()
        while frame:
            inside.add(frame.f_code.co_name)
            frame = frame.f_back
    print("now", flush=True)
threading.Thread(target=tell).start()
kit.wait_until(int, "never", 99)"""


def test_a_trace_shows_the_notebook_and_what_it_called(kernel: Kernel) -> None:
    kernel.run("import kitlib as kit\nfrom kafka import KafkaProducer")
    own = kernel.run("kit.wait_until(lambda: missing, 'a name')")
    assert own.error == "NameError"
    assert own.trace.count("Cell In") == 2 and "File" not in own.trace, own.trace
    stopped = kernel.run(WAITS, at="now")
    assert stopped.error == "KeyboardInterrupt"
    assert stopped.trace.count("Cell In") == 1 and "File" not in stopped.trace, stopped.trace
    recorded = kernel.run(
        "producer = KafkaProducer(**kit.connect().connection)\n"
        "kit.Journal().record(producer)\n"
        "producer.send('a topic', 'text, and no bytes')"
    )
    assert "kafka/producer/kafka.py" in recorded.trace, recorded.trace
    assert not OURS.search(recorded.trace), recorded.trace
    assert not kernel.run("producer.close()").error
