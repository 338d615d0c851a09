"""What the build makes besides pages: the player, and a server of the site.

Building all of it takes minutes; the pages are looked at in tests/browser.
"""

from __future__ import annotations

import queue
import re
import threading
import urllib.request
from pathlib import Path

from kittools.site import build

ROOT = Path(__file__).parents[4]


def test_the_player_is_a_classic_script_around_the_component_of_the_live_views() -> None:
    component = (ROOT / "kitlib" / "widgets" / "timeline.js").read_text("utf-8")
    script = build.player(component, "mount(component);\n")
    assert not re.search(r"^\s*(?:export|import)\b", script, re.MULTILINE)
    assert "const component = { initialize, render };" in script


def test_the_site_is_served_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=build.serve, args=(tmp_path, said.put), daemon=True).start()
    address = said.get(timeout=10).split()[0]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as reply:
        assert reply.read() == b"hello"
