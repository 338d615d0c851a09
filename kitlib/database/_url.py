"""From the URL of a database to a connection, and how to show such a URL.

It knows nothing of tables.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from kitlib.errors import KitError


def checked(url: str) -> str:
    """The URL, with an absolute path for SQLite, as a worker's folder may be another one.

    Raises KitError when it is neither `sqlite:///file` nor `postgresql://...`.
    """
    if isinstance(url, str):
        # An @ or / in a password would make a host or a port of its rest, and show that.
        if re.fullmatch(r"postgres(ql)?://([^@/?#\s]*@)?[^@\s]*", url):
            return url
        path = url.removeprefix("sqlite:///")
        if path not in (url, "", ":memory:"):
            return f"sqlite:///{Path(path).absolute().as_posix()}"
    raise KitError(
        f"This is not the URL of a database: {masked(str(url))}",
        fix="Write sqlite:///file.db (a file, so that other processes can open it) or "
        "postgresql://user:password@host/name, with %40 for @ and %2F for / in a password",
    )


def connect(url: str) -> tuple[Any, type[Exception]]:
    """A connection that commits each statement on its own, and the base of its errors.

    url: as `checked` returns it. Raises KitError when the database cannot be opened or reached.
    """
    if not url.startswith("sqlite:"):
        return _postgres(url)
    path = url.removeprefix("sqlite:///")
    try:
        # Our own lock takes the place of sqlite3's ban on a second thread.
        connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        # WAL: readers and a writer do not wait for each other. It stays set in the file.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        raise KitError(
            f"The database cannot be opened: {url}",
            why=f"SQLite says: {error}",
            fix="The folder must exist and be writable, and the file must be one of SQLite; a "
            "temporary database is gone once its owner has closed it",
        ) from None
    return connection, sqlite3.Error


def _postgres(url: str) -> tuple[Any, type[Exception]]:
    try:
        import psycopg
    except ImportError as error:
        raise KitError(
            "PostgreSQL cannot be used",
            why=f"Its driver does not load: {error}",
            fix="Install it: pip install 'psycopg[binary]'",
        ) from None
    try:
        patience: dict[str, Any] = {} if "connect_timeout=" in url else {"connect_timeout": 5}
        connection = psycopg.connect(url, autocommit=True, **patience)
        connection.execute("SET TIME ZONE 'UTC'; SET lock_timeout = '30s'")
    except psycopg.Error as error:
        raise KitError(
            f"The database cannot be reached: {masked(url)}",
            why=f"PostgreSQL says: {masked(str(error).strip())}",
            fix="Is the server running, and are host, port, user, password and name right?",
        ) from None  # the driver's own error may show the password
    return connection, psycopg.Error


def masked(text: str) -> str:
    """The text without the passwords of the URLs in it; rather too much hidden than too little."""
    text = re.sub(r"(://[^:/?#@\s]*):[^\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)(password=)[^&\s]*", r"\1***", text)
