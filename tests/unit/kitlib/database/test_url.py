"""Which URLs a database has, what cannot be opened, and that no password is shown."""

from pathlib import Path
from typing import Any

import pytest

from kitlib.database import Database
from kitlib.database._url import checked, masked
from kitlib.errors import KitError
from kitlib.events import load_events


def test_a_named_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Database("sqlite:///my räume.db") as db:
        db.write("business", load_events(limit=1)[0])
        assert db.url == f"sqlite:///{(tmp_path / 'my räume.db').as_posix()}"
    monkeypatch.setenv("KIT_DATABASE_URL", db.url)
    with Database() as again:
        assert again.count("business") == 1


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://a:pw-7@b/c",
        "postgresql://ann:x@pw-7@127.0.0.1:1/kit",
        "postgresql://ann:x/pw-7@127.0.0.1:1/kit",
        "x.db",
        5,
    ],
)
def test_a_wrong_url(url: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (url, None):
        monkeypatch.setenv("KIT_DATABASE_URL", str(url))
        with pytest.raises(KitError, match="This is not a database URL") as caught:
            Database(given)
        assert "pw-7" not in str(caught.value)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path}/missing/file.db")
    (tmp_path / "text.db").write_text("This is no database. " * 100)
    with pytest.raises(KitError, match="not a database"):
        Database(f"sqlite:///{tmp_path}/text.db")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:pw-7@127.0.0.1:1/kit",
        "postgresql://127.0.0.1:1/kit?user=ann&password=pw-7",
        "postgresql://ann:pw-7@127.0.0.1:port/kit",
        "postgresql://ann:pw-7@127.0.0.1:1/kit?sslmode=disable&PASSWORD=pw-7",
    ],
)
def test_an_unreachable_server_and_no_password_shown(url: str) -> None:
    with pytest.raises(KitError, match="cannot be reached") as caught:
        Database(url)
    assert "pw-7" not in str(caught.value) and "***" in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:pw-7@host:5432/kit", "postgresql://ann:***@host:5432/kit"),
        ("postgresql://ann@host/kit", "postgresql://ann@host/kit"),
        ("postgresql://ann:x@pw-7@host/kit", "postgresql://ann:***@host/kit"),
        ("postgresql://ann:x/pw-7@host/kit", "postgresql://ann:***@host/kit"),
        ("host?user=ann&Password=pw-7&a=b", "host?user=ann&Password=***&a=b"),
        (
            "two: postgresql://a:pw-7@b and //password=pw-7",
            "two: postgresql://a:***@b and //password=***",
        ),
        ("sqlite:////data/a@b.db", "sqlite:////data/a@b.db"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ann@host/kit",
        "postgresql://ann:pw%407@host/kit?sslmode=disable",
        "postgresql://one:1,two:2/kit",
        "postgresql://postgres@/kit?host=%2Ftmp",
    ],
)
def test_what_libpq_accepts_is_left_as_it_is(url: str) -> None:
    assert checked(url) == url
