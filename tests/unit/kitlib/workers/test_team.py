"""Teams on a real broker: their workers start, report, end, crash and freeze as asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError
from kafka.structs import OffsetAndMetadata
from kernels import started_kernel

from kitlib._wait import wait_until
from kitlib.broker import Broker
from kitlib.errors import KitError
from kitlib.journal import Journal
from kitlib.workers import Workers, stop_all

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals")
ROOT = Path(__file__).parents[4]
TOPIC = "workers"


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
    assert (last.detail or {})["reason"] == "it was asked to end"
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


def test_wrong_arguments_are_refused(kafka: Broker) -> None:
    with pytest.raises(KitError, match="Expected a Kafka handle, got str"):
        Workers("localhost", sleeper)
    team = Workers(kafka, sleeper)
    for kill_at in ("processed", ("processed", 0), ("nonsense", 5), 7):
        with pytest.raises(KitError, match="Expected kill_at to be a kind of row and a count"):
            team.start("ana", kill_at=kill_at)  # type: ignore[arg-type]
    with pytest.raises(KitError, match="No worker was named"):
        team.start()
    with pytest.raises(KitError, match="Unknown worker 'ana'"):
        team.kill("ana")
    assert len(team.journal) == 0


def test_cells_may_run_twice(kafka: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    team = Workers(kafka, sleeper, limit=1).start("ana", "ben", "ana")
    assert len(team.journal.rows("started")) == 2, "a name that is given twice is one worker"
    first = team.states()["pid"].tolist()
    team.start("ana", "ben")
    assert team.states()["pid"].tolist() == first
    with pytest.raises(KitError, match="other parameters"):
        team.start("ana", limit=2)
    team.kill("ana")
    with pytest.raises(KitError, match="is no longer running"):
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
def test_a_second_interrupt_kills_those_that_do_not_listen(kafka: Broker) -> None:
    def deaf(me: Any) -> None:
        while True:
            threading.Event().wait(0.1)

    team = Workers(kafka, deaf).start("ana")

    def interrupt_twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: team._members["ana"]._wanted == "closed", "ana was asked to end")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.3, interrupt_twice).start()
    with pytest.raises(KeyboardInterrupt):
        team.wait(20)
    assert team.states()["state"].tolist() == ["killed"]
    assert team.states()["reason"].tolist() == ["by kill()"]


@POSIX
def test_a_cell_that_is_interrupted_elsewhere_stops_them_too() -> None:
    with started_kernel(env={**os.environ, "PYTHONPATH": str(ROOT)}) as (manager, client):

        def run(code: str) -> list[str]:
            shown: list[str] = []
            client.execute_interactive(
                code, timeout=30, output_hook=lambda m: shown.append(str(m["content"]))
            )
            return shown

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
        shown = "".join(run("def f(me):\n    x = 1\n    x.y\nteam = Workers(team._connection, f)\n"
                           "team.start('ben').wait(20)"))  # fmt: skip
        assert "ben failed in line 3 of its cell, `x.y`: AttributeError" in shown


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
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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
