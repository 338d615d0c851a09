"""Database URLs: check one, connect to what it names, and show it without its password.

This module knows nothing of tables.
"""

import re
import sqlite3
from pathlib import Path
from typing import Any

from kitlib.errors import KitError


def checked(url: str) -> str:
    """Return the URL, with an absolute path for SQLite: another process may run elsewhere.

    Raises KitError unless it is `sqlite:///file` or `postgresql://...`.
    """
    if isinstance(url, str):
        # A bare @ or / in a password would turn the rest of it into a host or port, and show it.
        if re.fullmatch(r"postgres(ql)?://([^@/?#\s]*@)?[^@\s]*", url):
            return url
        path = url.removeprefix("sqlite:///")
        if path not in (url, "", ":memory:"):
            return f"sqlite:///{Path(path).absolute().as_posix()}"
    raise KitError(
        f"This is not a database URL: {masked(str(url))}",
        fix="Write sqlite:///file.db (a file, so that other processes can open it) or "
        "postgresql://user:password@host/name, with %40 for @ and %2F for / in a password",
    )


def connect(url: str) -> Any:
    """Return a connection of sqlite3 or psycopg that commits each statement on its own.

    url: as `checked` returns it. Raises KitError when the database cannot be opened or reached.
    """
    if not url.startswith("sqlite:"):
        return _postgres(url)
    path = url.removeprefix("sqlite:///")
    try:
        # The lock in Database takes the place of sqlite3's ban on a second thread.
        connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        # With WAL, readers and a writer do not wait for each other. The file keeps this setting.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        raise KitError(
            f"The database cannot be opened: {url}",
            why=f"SQLite says: {error}",
            fix="Check that the folder exists and is writable, and that the file is an SQLite "
            "database; a temporary one is gone once its owner has closed it",
        ) from None
    return connection


def _postgres(url: str) -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise KitError(
            "The PostgreSQL driver does not load",
            why=str(error),
            fix="Install it: pip install 'psycopg[binary]'",
        ) from None
    timeout_s: dict[str, Any] = {} if "connect_timeout=" in url else {"connect_timeout": 5}
    try:
        connection = psycopg.connect(url, autocommit=True, **timeout_s)
        connection.execute("SET TIME ZONE 'UTC'; SET lock_timeout = '30s'")
    except psycopg.Error as error:
        raise KitError(
            f"The database cannot be reached: {masked(url)}",
            why=f"PostgreSQL says: {masked(str(error).strip())}",
            fix="Check that the server is running and that host, port, user, password and name fit",
        ) from None  # the driver's own error may show the password
    return connection


def masked(text: str) -> str:
    """Return the text without the passwords of its URLs, hiding too much rather than too little."""
    text = re.sub(r"(://[^:/?#@\s]*):[^\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)(password=)[^&\s]*", r"\1***", text)
