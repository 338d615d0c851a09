"""timeline.js alone in Chromium: what JupyterLab does with a view, at the moments it may do it."""

from __future__ import annotations

from typing import Any

import pytest

import kitlib as kit
from kitlib.journal import Row
from kitlib.widgets import views

# A view is made, and only then put on the page; the number of coloured pixels once it is there.
LATE = """async ([code, traits]) => {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const { default: timeline } = await import(url);
    const model = { get: (name) => traits[name], on() {}, off() {}, send() {} };
    timeline.initialize({ model });
    const el = document.createElement("div");
    const end = timeline.render({ model, el });
    for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
    document.body.append(el);
    for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
    const canvas = el.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    end();
    return data.filter((value, i) => i % 4 === 3 && value).length;
}"""
NAMES = ("look", "uid", "panels", "title", "words", "recording", "highlight", "running", "window_s")


@pytest.mark.parametrize("kind", [kit.Replay, kit.LiveOrder])
def test_a_view_that_is_put_on_the_page_late_is_drawn(browser: Any, kind: Any) -> None:
    rows = [Row(9.0 + n, "acked", "p", "t", 0, n, key="S0001", value="{}") for n in range(3)]
    view = kind(kit.Journal(rows))
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        code = (views.HERE / "timeline.js").read_text("utf-8")
        coloured = page.evaluate(LATE, [code, {name: getattr(view, name) for name in NAMES}])
    finally:
        page.close()
        if kind is not kit.Replay:
            view.stop()
    assert errors == []
    assert coloured > 100
