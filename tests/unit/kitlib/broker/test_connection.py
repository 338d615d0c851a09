"""A password works in a client and shows nowhere."""

from __future__ import annotations

from kitlib.broker import Connection


def test_a_secret_is_not_shown() -> None:
    connection = Connection(bootstrap_servers="b:1", sasl_plain_password="hunter2")
    assert "hunter2" not in repr(connection)
    assert connection["sasl_plain_password"] == "hunter2"
