"""Workers on a real broker: they report, end, crash, freeze and fail as they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError
from kafka.structs import OffsetAndMetadata

from kitlib._wait import wait_until
from kitlib.broker.handle import Broker
from kitlib.errors import KitError
from kitlib.events import EnrollmentEvent
from kitlib.journal import Journal
from kitlib.workers import Workers, _member, stop_all

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals")
TOPIC = "workers"


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    stop_all()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    return f"group-{abs(hash(request.node.name))}"


def fill(kafka: Broker, count: int, partitions: int = 1) -> None:
    kafka.fresh_topic(TOPIC, partitions=partitions)
    add(kafka, count)


def add(kafka: Broker, count: int) -> None:
    producer = KafkaProducer(**kafka.connection)
    for number in range(count):
        producer.send(TOPIC, key=b"S%d" % number, value=b"event %d" % number)
    producer.close()


def members(kafka: Broker, group: str) -> list[Any]:
    return list(kafka.admin().describe_groups([group])[group]["members"])


def registrar(me: Any) -> None:
    """Commits after it has processed, as a lesson would show it."""
    consumer = KafkaConsumer(
        "workers",
        **me.connection,
        group_id=me.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=2000,
        heartbeat_interval_ms=300,
    )
    me.record(consumer)
    try:
        while not me.stopping:
            for records in consumer.poll(100).values():
                for record in records:
                    me.note("processed", record)
                    place = TopicPartition(record.topic, record.partition)
                    # A member that was frozen for too long may not commit: it gets them again.
                    with suppress(CommitFailedError):
                        consumer.commit({place: OffsetAndMetadata(record.offset + 1, "", -1)})
    finally:
        consumer.close()


def sleeper(me: Any) -> None:
    print("asleep")
    while not me.stopping:
        threading.Event().wait(0.02)


def test_a_consumer_reads_reports_and_commits(kafka: Broker, group: str) -> None:
    fill(kafka, 6, partitions=2)
    journal = Journal()
    with Workers(kafka, registrar, journal=journal, group=group) as team:
        assert "running" in repr(team.start("ana"))
        journal.wait("committed", 6)
    assert sorted(row.value or "" for row in journal.rows("processed")) == [
        f"event {number}" for number in range(6)
    ]
    assert {(row.actor, row.group, row.topic) for row in journal.rows("processed")} == {
        ("ana", group, TOPIC)
    }
    first, *_, last = journal
    assert (first.kind, last.kind) == ("started", "closed")
    assert (last.detail or {})["reason"] == "it was asked to"
    offsets = kafka.admin().list_group_offsets(group)[group]
    assert sum(offset.offset for offset in offsets.values()) == 6
    assert team.states()["state"].tolist() == ["closed"]


def test_a_closed_worker_leaves_the_group_at_once(kafka: Broker, group: str) -> None:
    fill(kafka, 2)
    team = Workers(kafka, registrar, group=group).start("ana")
    team.journal.wait("processed", 2)
    assert len(members(kafka, group)) == 1
    team.close("ana")
    assert members(kafka, group) == []
    team.close("ana")  # a cell that runs twice


def test_a_killed_worker_stays_in_the_group_until_its_session_times_out(
    kafka: Broker, group: str
) -> None:
    fill(kafka, 2)
    team = Workers(kafka, registrar, group=group).start("ana")
    team.journal.wait("committed", 2)
    pid = team.states()["pid"][0]
    team.kill("ana")
    assert not psutil.pid_exists(pid)
    assert len(members(kafka, group)) == 1
    wait_until(lambda: not members(kafka, group), "the session has timed out")
    assert team.journal.rows()[-1].kind == "killed"
    assert not team.journal.rows("closed")


def test_kill_at_is_exact_every_time(kafka: Broker) -> None:
    fill(kafka, 20)
    for round_ in range(5):
        journal = Journal()
        team = Workers(kafka, registrar, journal=journal, group=f"exact-{round_}")
        team.start("cy", kill_at=("processed", 5))
        team.wait(20)
        assert [row.offset for row in journal.rows("processed")] == [0, 1, 2, 3, 4]
        assert len(journal.rows("committed")) == 4
        assert [row.kind for row in list(journal)[-2:]] == ["processed", "killed"]
        offsets = kafka.admin().list_group_offsets(f"exact-{round_}")[f"exact-{round_}"]
        assert [offset.offset for offset in offsets.values()] == [4]


def test_kill_at_counts_what_a_client_reports_too(kafka: Broker, group: str) -> None:
    fill(kafka, 8)
    team = Workers(kafka, registrar, group=group).start("cy", kill_at=("committed", 3))
    team.wait(20)
    assert len(team.journal.rows("processed")) == len(team.journal.rows("committed")) == 3
    assert team.states()["state"][0] == "killed"
    assert team.states()["reason"][0] == "its kill_at was reached"


def test_a_producer_killed_before_it_flushes_leaves_nothing_on_the_log(kafka: Broker) -> None:
    kafka.fresh_topic(TOPIC)

    def impatient(me: Any) -> None:
        producer = KafkaProducer(**me.connection, linger_ms=60_000)
        me.record(producer)
        for number in range(10):
            producer.send(me.topic, b"event %d" % number)

    team = Workers(kafka, impatient, topic=TOPIC)
    team.start("ana", kill_at=("sent", 3)).wait(20)
    assert len(team.journal.rows("sent")) == 3
    assert len(kafka.read(TOPIC)) == 0
    team.start("ben").wait(20)  # the same function, not killed: kafka-python flushes at exit
    assert len(team.journal.rows("sent", actor="ben")) == 10


@POSIX
def test_a_paused_worker_does_nothing_until_it_is_resumed(kafka: Broker, group: str) -> None:
    fill(kafka, 1)
    team = Workers(kafka, registrar, group=group).start("ana")
    journal = team.journal
    journal.wait("committed")
    team.pause("ana")
    seen = len(journal)
    add(kafka, 3)
    wait_until(lambda: not members(kafka, group), "the group has given up on the frozen member")
    assert len(journal) == seen
    assert team.states()["state"][0] == "paused"
    team.pause("ana")
    team.resume("ana")
    wait_until(lambda: {r.offset for r in journal.rows("processed")} == {0, 1, 2, 3}, "all read")
    assert journal.rows("resumed")[0].time < journal.rows("processed")[-1].time
    team.pause("ana")
    team.stop()  # a frozen worker is woken to close
    assert journal.rows()[-1].kind == "closed"


def test_an_error_becomes_one_plain_sentence(
    kafka: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    def helper(number: int) -> float:
        return 1 / number

    def careless(me: Any) -> None:
        print("before", end="")
        helper(0)

    team = Workers(kafka, careless).start("ana")
    with pytest.raises(KitError, match="ana failed in line"):
        team.wait(20)
    (row,) = team.journal.rows("failed")
    detail = row.detail or {}
    line = helper.__code__.co_firstlineno + 1
    assert row.value == (
        f"ana failed in line {line} of {Path(__file__).name}, `return 1 / number`: "
        "ZeroDivisionError: division by zero"
    )
    assert (detail["what"], detail["error"], detail["line"]) == (
        "worker",
        "ZeroDivisionError",
        line,
    )
    assert str(Path("workers", "_main.py")) not in detail["traceback"]
    assert team.states()["state"][0] == "failed"
    assert row.value in capsys.readouterr().err
    assert [row.value for row in team.journal.rows("printed")] == ["before"]


def test_an_end_without_a_word_is_a_failure(kafka: Broker) -> None:
    def vanish(me: Any) -> None:
        os._exit(3)

    team = Workers(kafka, vanish).start("ana")
    with pytest.raises(KitError, match="status 3"):
        team.wait(20)
    assert len(team.journal.rows("failed")) == 1


def test_prints_become_rows_and_never_mix_with_them(kafka: Broker) -> None:
    def chatty(me: Any) -> None:
        print("one\ntwo", "three", sep=" ")
        print("half", end="")
        print(" and half")
        print("aside", file=sys.stderr)
        print('!kill\n{"not": "a row"}')
        os.write(1, b"straight to the descriptor\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)

    team = Workers(kafka, chatty).start("ana")
    team.wait(20)
    assert [row.value for row in team.journal.rows("printed")] == [
        "one",
        "two three",
        "half and half",
        "aside",
        "!kill",
        '{"not": "a row"}',
    ]
    assert team.states()["state"].tolist() == ["closed"]
    assert team.states()["reason"].tolist() == ["its function returned"]
    assert "<td>closed</td>" in team._repr_html_()


def test_what_the_function_uses_goes_with_it(kafka: Broker) -> None:
    event = EnrollmentEvent.from_json(
        b'{"student_id": "S1", "course_code": "C1", "timestamp": "2026-01-01T10:00:00Z"}'
    )

    def note(me: Any, value: Any) -> None:
        me.note("processed", key=event.key, value=value)

    def worker(me: Any) -> None:
        note(me, event.to_json())
        note(me, me.plan["course"])
        print(getattr(me, "nothing", "no such parameter"), me.connection)

    kafka_like = {**kafka.connection, "sasl_plain_password": "swordfish"}
    team = Workers(kafka_like, worker, plan={"course": "C0"})
    team.start("ana", plan={"course": "C2"}).wait(20)
    first, second = team.journal.rows("processed")
    assert (first.key, first.value) == ("S1", event.to_json().decode())
    assert second.value == "C2"
    (printed,) = team.journal.rows("printed")
    assert "no such parameter" in (printed.value or "")
    assert "swordfish" not in (printed.value or "")


def test_a_missing_parameter_says_so(kafka: Broker) -> None:
    team = Workers(kafka, registrar).start("ana")
    with pytest.raises(KitError, match="no parameter 'group'"):
        team.wait(20)


def test_an_error_of_kafka_is_named_once(kafka: Broker) -> None:
    def impossible(me: Any) -> None:
        KafkaConsumer(**me.connection, group_id="g", session_timeout_ms=2000)

    team = Workers(kafka, impossible).start("ana")
    with pytest.raises(KitError, match="`: KafkaConfigurationError: Heartbeat interval must"):
        team.wait(20)


def test_a_list_in_place_of_a_record_says_so(kafka: Broker) -> None:
    def wrong(me: Any) -> None:
        me.note("processed", [])

    team = Workers(kafka, wrong).start("ana")
    with pytest.raises(KitError, match=r"needs one record.*It got a list"):
        team.wait(20)


def test_what_belongs_to_the_notebook_is_refused_by_name(kafka: Broker) -> None:
    producer = KafkaProducer(**kafka.connection)
    journal = Journal()
    lock = threading.Lock()

    def sends(me: Any) -> None:
        producer.send("workers", b"x")

    def through_a_helper(me: Any) -> None:
        sends(me)

    def reads(me: Any) -> None:
        kafka.read("workers")

    def writes(me: Any) -> None:
        journal.add("processed")

    def locks(me: Any) -> None:
        with lock:
            pass

    try:
        for function, said in (
            (sends, "sends uses 'producer'.*KafkaProducer\\(\\*\\*me.connection\\)"),
            (through_a_helper, "sends uses 'producer'"),
            (reads, "'kafka'.*me.connection"),
            (writes, "'journal'.*me.note"),
            (locks, "'lock'.*inside the function"),
        ):
            with pytest.raises(KitError, match=f"(?s){said}"):
                Workers(kafka, function).start("ana")
        with pytest.raises(KitError, match="parameter 'guard' cannot go"):
            Workers(kafka, sleeper, guard=lock).start("ana")
    finally:
        producer.close()


def test_wrong_arguments_are_refused(kafka: Broker) -> None:
    with pytest.raises(KitError, match="need a Kafka"):
        Workers("localhost", sleeper)
    with pytest.raises(KitError, match="plain function"):
        Workers(kafka, "sleeper")
    with pytest.raises(KitError, match="cannot be called as <lambda>\\(me\\)"):
        Workers(kafka, lambda: None)
    with pytest.raises(KitError, match="meaning of its own"):
        Workers(kafka, sleeper, connection={})
    team = Workers(kafka, sleeper)
    for kill_at in ("processed", ("processed", 0), ("nonsense", 5), 7):
        with pytest.raises(KitError, match="says no moment"):
            team.start("ana", kill_at=kill_at)  # type: ignore[arg-type]
    with pytest.raises(KitError, match="No worker was named"):
        team.start()
    with pytest.raises(KitError, match="no worker 'ana'"):
        team.kill("ana")
    assert len(team.journal) == 0


def test_cells_may_run_twice(kafka: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    team = Workers(kafka, sleeper, limit=1).start("ana", "ben")
    first = team.states()["pid"].tolist()
    team.start("ana", "ben")
    assert team.states()["pid"].tolist() == first
    with pytest.raises(KitError, match="other parameters"):
        team.start("ana", limit=2)
    team.kill("ana")
    with pytest.raises(KitError, match="does not run any more"):
        team.resume("ana")
    team.start("ana")
    assert team.states()["state"].tolist() == ["running", "running"]
    again = Workers(kafka, sleeper, limit=3).start("ben")  # the cell that makes the team, again
    assert team.states()["state"].tolist() == ["closed", "closed"]
    assert "ana, ben" in capsys.readouterr().out
    other = Workers(kafka, sleeper).start("dora")
    assert (again.states()["state"][0], other.states()["state"][0]) == ("running", "running")
    assert sorted(stop_all()) == ["ben", "dora"]
    assert stop_all() == []


def test_a_worker_that_does_not_listen_is_killed(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member, "GRACE_S", 0.3)

    def deaf(me: Any) -> None:
        while True:
            threading.Event().wait(0.1)

    team = Workers(kafka, deaf).start("ana")
    with pytest.raises(KitError, match=r"Waited .* for workers to end: ana is running"):
        team.wait(0.1)
    team.close("ana")
    assert team.states()["state"][0] == "killed"
    assert "me.stopping" in team.states()["reason"][0]


@POSIX
def test_an_interrupt_while_waiting_stops_the_whole_team(kafka: Broker, group: str) -> None:
    fill(kafka, 2)
    team = Workers(kafka, registrar, group=group).start("ana", "ben")
    team.journal.wait("processed", 2)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        team.wait(20)
    assert team.states()["state"].tolist() == ["closed", "closed"]
    assert members(kafka, group) == []


@POSIX
def test_a_cell_that_is_interrupted_elsewhere_stops_them_too() -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(env={**os.environ, "PYTHONPATH": _member._ROOT})
    try:

        def run(code: str) -> list[str]:
            said: list[str] = []
            client.execute_interactive(
                code, timeout=30, output_hook=lambda m: said.append(str(m["content"]))
            )
            return said

        run(
            "from kitlib.workers import Workers\n"
            "def napper(me):\n    while not me.stopping: pass\n"
            "team = Workers({'bootstrap_servers': 'localhost:1'}, napper).start('ana')"
        )
        client.execute("print('here')\nwhile True: pass", stop_on_error=False)
        while client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
            pass
        manager.interrupt_kernel()
        while True:
            content = client.get_iopub_msg(timeout=30)["content"]
            if "the workers were stopped: ana" in content.get("text", ""):
                break
        assert "Workers(napper: ana closed)" in "".join(run("print(repr(team))"))
        said = "".join(run("def f(me):\n    x = 1\n    x.y\nteam = Workers(team._connection, f)\n"
                           "team.start('ben').wait(20)"))  # fmt: skip
        assert "ben failed in line 3 of its cell, `x.y`: AttributeError" in said
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@POSIX
def test_no_worker_outlives_an_owner_that_is_killed() -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time\n"
            "from kitlib.workers import Workers\n"
            "def sleeper(me):\n    time.sleep(600)\n"
            "team = Workers({'bootstrap_servers': 'localhost:1'}, sleeper).start('ana', 'ben')\n"
            "print(*team.states()['pid'], flush=True)\n"
            "time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": _member._ROOT},
    )
    assert owner.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    assert len(workers) == 2 and all(worker.is_running() for worker in workers)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_until(lambda: not any(worker.is_running() for worker in workers), "both are gone")


def test_a_leader_that_polls_in_short_steps_takes_new_partitions(kafka: Broker, group: str) -> None:
    kafka.fresh_topic(TOPIC, partitions=2)

    def hasty(me: Any) -> None:
        consumer = KafkaConsumer(
            "workers",
            **me.connection,
            group_id=me.group,
            heartbeat_interval_ms=300,
            metadata_max_age_ms=300,
        )
        me.record(consumer)
        try:
            while not me.stopping:
                consumer.poll(2)
        finally:
            consumer.close()

    team = Workers(kafka, hasty, group=group).start("ana", "ben")

    def shares() -> list[int]:
        owned: dict[str, set[int | None]] = {"ana": set(), "ben": set()}
        for row in team.journal.rows(("assigned", "revoked")):
            change = owned[row.actor].add if row.kind == "assigned" else owned[row.actor].discard
            change(row.partition)
        return sorted(map(len, owned.values()))

    wait_until(lambda: shares() == [1, 1], "two partitions are shared")
    kafka.admin().create_partitions({TOPIC: 4})
    wait_until(lambda: shares() == [2, 2], "four partitions are shared")
