"""Every page of the built site, opened from disk in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Locator, Page, expect

import kitlib as kit
from kitlib.journal import Row
from kittools import course
from kittools.site import pages as _pages

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "pictures"
MAIN = (
    "index", "lessons/index", "lessons/06_duplicates", "lessons/02_keys_and_order", "beliefs",
    "instructors", "cheat-sheet", "install", "glossary", "reference", "how-it-works",
)  # fmt: skip
BELIEFS = 12  # at least
# Words of code differ in their class only: one of each is enough for what reads every element.
ONE_OF_EACH = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll('article .highlight pre span')) {
        if (seen.has(word.className)) word.replaceWith(...word.childNodes);
        else seen.add(word.className);
    }
}"""
# What has the same tag, class and style, in places that have, has the same colours: of each such
# look the first keeps its words. That makes the search for poor contrast six times faster.
ONE_OF_EACH_LOOK = """() => {
    const looks = new Map([[document.body, '']]), seen = new Set();
    for (const place of document.body.querySelectorAll('*')) {
        const look = [looks.get(place.parentElement), place.tagName, place.className,
            place.getAttribute('style'), place.matches('tr:nth-child(odd)')].join('|');
        looks.set(place, look);
        if (!seen.has(look)) seen.add(look);
        else for (const text of [...place.childNodes])
            if (text.nodeType === Node.TEXT_NODE) text.remove();
    }
}"""

Visit = Callable[..., Page]


def pages(site: Path) -> list[str]:
    """The names of all pages."""
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Visit]:
    """Open a window; what its console says, or whom it asks beyond the disk, fails the test."""
    said: list[str] = []
    contexts = []

    def window(
        name: str = "index.html", *, width: int = 1440, folder: Path = site, **how: str
    ) -> Page:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, **how)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
        page.on("request", lambda request: asked(request.url))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.goto((folder / name).as_uri())
        settle(page)
        return page

    def asked(url: str) -> None:
        if urlsplit(url).scheme not in ("file", "data", "blob"):
            said.append(f"asks {url}")

    yield window
    for context in contexts:
        context.close()
    assert said == []


def settle(page: Page) -> None:
    """Wait until the fonts and the players of a page are there."""
    page.evaluate("() => document.fonts.ready.then(() => true)")
    for place in page.locator(".kit-replay .kit-timeline").all():
        expect(place).to_have_attribute("data-frames", re.compile(r"\d+"))


def player(page: Page) -> Locator:
    """The first player of a page, in view."""
    place = page.locator(".kit-replay .kit-timeline").first
    place.scroll_into_view_if_needed()
    return place


def moment(place: Locator) -> int:
    return int(place.get_attribute("data-index") or -1)


def test_every_page_loads_from_disk_and_fits(visit: Visit, site: Path) -> None:
    page = visit()
    too_wide = []
    for name in pages(site):
        page.goto((site / name).as_uri())
        settle(page)
        expect(page.locator(".kit-verified").first).to_contain_text("Verified with Kafka")
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            if wide > width:
                too_wide.append((name, width, wide))
    assert too_wide == []


def test_no_page_has_a_serious_finding(visit: Visit, site: Path) -> None:
    """In light everything is looked at, and of the dark page the colours, for only they differ."""
    page = visit(reduced_motion="reduce")  # colours change at once, not in a transition
    found = []

    def look(name: str, scheme: str, **which: object) -> None:
        how = {"resultTypes": ["violations"], "preload": False}  # no style sheet is read from disk
        result = page.evaluate("how => axe.run(document, how)", how | which)
        for one in result["violations"]:
            if one["impact"] in ("serious", "critical"):
                places = [node["target"] for node in one["nodes"][:4]]
                found.append((name, scheme, one["id"], len(one["nodes"]), places))

    for name in pages(site):
        page.emulate_media(color_scheme="light")
        page.goto((site / name).as_uri())
        settle(page)
        page.evaluate(ONE_OF_EACH)
        page.evaluate(AXE_SCRIPT)
        look(name, "light", rules={"color-contrast": {"enabled": False}})
        page.evaluate(ONE_OF_EACH_LOOK)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
            look(name, scheme, runOnly=["color-contrast", "link-in-text-block"])
    assert found == []


def test_every_lesson_has_a_player_that_plays_scrubs_and_takes_keys(
    visit: Visit, site: Path
) -> None:
    page = visit()
    for path in course.find():
        page.goto((site / "lessons" / f"{path.stem}.html").as_uri())
        settle(page)
        place = player(page)
        canvas, slider = place.locator("canvas"), place.locator("input[type=range]")
        last = int(slider.get_attribute("max") or 0)
        assert last > 3
        canvas.focus()
        page.keyboard.press("Home")
        assert moment(place) == 0
        first = place.locator(".kit-status").inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert moment(place) == 2
        page.keyboard.press("ArrowLeft")
        assert moment(place) == 1
        page.keyboard.press("End")
        assert moment(place) == last
        assert place.locator(".kit-status").inner_text() != first
        slider.fill(str(last // 2))
        assert moment(place) == last // 2
        place.get_by_label("one step on").click()
        assert moment(place) == last // 2 + 1
        place.locator("select").select_option("4")
        canvas.focus()
        page.keyboard.press("Home")
        page.keyboard.press(" ")
        expect(place.get_by_label("pause")).to_be_visible()
        expect(place).not_to_have_attribute("data-index", "0")
        page.keyboard.press(" ")
        expect(place.get_by_label("play", exact=True)).to_be_visible()
        page.keyboard.press(" ")
        expect(place).to_have_attribute("data-index", str(last))
        expect(place.get_by_label("play", exact=True)).to_be_visible()


def test_the_start_page_shows_how_an_acknowledgement_gets_lost(visit: Visit) -> None:
    page = visit("index.html")
    place = page.locator(".kit-timeline").first
    box = place.bounding_box()
    assert box is not None and box["y"] + box["height"] <= 900, "above the fold"
    expect(place.get_by_label("pause")).to_be_visible()  # it plays by itself
    status = place.locator(".kit-status")
    expect(status).to_contain_text("The acknowledgement is lost", timeout=30_000)
    place.get_by_label("pause").click()
    place.locator("canvas").focus()
    page.keyboard.press("End")
    seen = []
    for _ in range(moment(place)):
        seen.append(status.inner_text())
        page.keyboard.press("ArrowLeft")
    assert any("It is on the log twice" in text for text in seen)


def test_who_wants_less_motion_gets_none_unasked(visit: Visit) -> None:
    page = visit("index.html", reduced_motion="reduce")
    place = player(page)
    still = place.get_attribute("data-index")
    expect(place.get_by_label("play", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    assert place.get_attribute("data-index") == still
    place.get_by_label("play", exact=True).click()
    expect(place).to_have_attribute("data-index", "1")  # a step a second


def test_search_finds(visit: Visit) -> None:
    page = visit("search.html")
    page.goto(f"{page.url}?q=idempotent")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert page.locator("#search-results a[href*='06_duplicates']").count()
    page.goto(page.url.replace("idempotent", "plot_order"))
    expect(page.locator("#search-results a[href*='reference']").first).to_be_visible()


def test_dark_and_light_can_be_chosen(visit: Visit) -> None:
    page = visit("index.html", color_scheme="light", reduced_motion="reduce")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    ink = """() => { const c = document.querySelector('.kit-timeline canvas');
        const copy = new OffscreenCanvas(c.width, c.height);
        const g = copy.getContext('2d', {willReadFrequently: true});
        g.drawImage(c, 0, 0);
        const d = g.getImageData(0, 0, c.width, c.height).data;
        let sum = 0, n = 0;
        for (let i = 0; i < d.length; i += 4)
          if (d[i + 3] > 200) { sum += d[i] + d[i + 1] + d[i + 2]; n += 1; }
        return sum / n / 3; }"""
    light, drawn = page.evaluate(ground), page.evaluate(ink)
    button = page.locator(".theme-switch-button").first
    while page.locator("html").get_attribute("data-theme") != "dark":
        button.click()
    page.wait_for_function(f"before => ({ground})() !== before", arg=light)
    page.wait_for_function(f"before => ({ink})() > before + 40", arg=drawn)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_cheat_sheet_prints_on_two_pages(visit: Visit) -> None:
    page = visit("cheat-sheet.html", color_scheme="light")
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "cheat-sheet.pdf").write_bytes(printed)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2


def test_pictures_of_the_main_pages(visit: Visit, site: Path) -> None:
    """They are kept in build/pictures, for people to look at."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    for width, scheme in ((1440, "light"), (1440, "dark"), (390, "light")):
        page = visit(width=width, color_scheme=scheme, reduced_motion="reduce")
        for name in MAIN:
            page.goto((site / f"{name}.html").as_uri())
            settle(page)
            picture = PICTURES / f"{name.replace('/', '-')}-{width}-{scheme}.png"
            page.screenshot(path=picture)
            assert picture.stat().st_size > 10_000


class Seen(HTMLParser):
    """The elements of a page: (tag, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))


def elements(site: Path, name: str) -> list[tuple[str, dict[str, str]]]:
    return Seen((site / name).read_text("utf-8")).elements


def test_every_figure_says_in_words_what_it_shows(site: Path) -> None:
    poor, figures = [], 0
    for name in pages(site):
        for tag, attributes in elements(site, name):
            if tag == "img":
                figures += 1
                words = attributes.get("alt", "")
                if len(words.split()) < 6 or re.search(r"\.png|_images", words):
                    poor.append((name, attributes.get("src"), words))
    assert figures > 8 and poor == []


def test_every_link_leads_somewhere(site: Path) -> None:
    anchors = {
        name: {attributes.get("id") for _, attributes in elements(site, name)}
        for name in pages(site)
    }
    broken = []
    for name in pages(site):
        for tag, attributes in elements(site, name):
            link = urlsplit(attributes.get("href" if tag == "a" else "src", ""))
            if link.scheme or not (link.path or link.fragment):
                continue
            target = (site / name).parent / unquote(link.path) if link.path else site / name
            target = target.resolve()
            if not target.exists():
                broken.append((name, link.geturl()))
            elif link.fragment and target.suffix == ".html":
                known = anchors[target.relative_to(site.resolve()).as_posix()]
                if unquote(link.fragment) not in known:
                    broken.append((name, link.geturl()))
    assert broken == []


def test_each_belief_leads_to_a_cell_that_asserts(site: Path) -> None:
    text = (ROOT / "docs" / "beliefs.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!belief|--).*$", text, re.MULTILINE)
    named = [re.findall(r"\(#(belief-[\w-]+)\)", row) for row in rows]
    assert len(rows) >= BELIEFS and all(named)
    cells = {
        cell.id: (path, cell.source)
        for path in course.find()
        for cell in nbformat.read(path, as_version=4).cells
        if cell.id.startswith("belief-")
    }
    links = [attributes.get("href", "") for tag, attributes in elements(site, "beliefs.html")]
    for name in {one for row in named for one in row}:
        path, source = cells[name]
        assert re.search(r"^\s*assert ", source, re.MULTILINE), name
        assert f"lessons/{path.stem}.html#{name}" in links
        page = elements(site, f"lessons/{path.stem}.html")
        assert [attributes.get("id") for _, attributes in page].count(name) == 1


def test_the_reference_knows_every_export(site: Path) -> None:
    ids = {attributes.get("id", "") for _, attributes in elements(site, "reference.html")}
    assert {f"kitlib.{name}" for name in (*kit.__all__, "journal.Row")} <= ids


def test_lesson_pages_hold_what_a_reader_needs(site: Path) -> None:
    for path in course.find():
        text = (site / "lessons" / f"{path.stem}.html").read_text("utf-8")
        for words in ("At the end you", "as measured", "Verified", "Open in Binder", "Summary"):
            assert words in text, (path.stem, words)
        assert text.count("<details><summary>Solution") == text.count("</details>") >= 2
        [copy] = re.findall(rf'href="\.\./(_downloads/[^"]+/{path.name})"', text)
        assert (site / copy).read_bytes() == path.read_bytes()


def test_pages_are_small_and_name_no_machine(site: Path) -> None:
    names = [*(re.escape(str(path)) for path in (ROOT, Path.home())), "/tmp/"]
    names += [r"[\w.]+\.(?:pypi|pythonhosted|maven|npmjs)\.(?:org|com)", r"maven\.apache\.org"]
    for name in pages(site):
        text = (site / name).read_text("utf-8")
        found = re.findall(rf"(?<![\w.])(?:{'|'.join(names)})\b", re.sub(r"https?://\S+", "", text))
        assert found == [], name
        recorded = re.findall(r'<div class="kit-replay".*?</div>', text, re.DOTALL)
        assert sum(len(one.encode()) for one in recorded) <= 200_000, name
        shown = [a["src"] for tag, a in elements(site, name) if tag == "img"]
        pictures = sum(((site / name).parent / unquote(one)).stat().st_size for one in set(shown))
        assert len(text.encode()) + pictures <= 1_500_000, name
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 15_000_000


def test_html_in_a_record_is_text_on_page_and_in_player(
    visit: Visit, site: Path, tmp_path: Path
) -> None:
    """A page made by the real build of a notebook whose journal holds a hostile record."""
    bad = "</script><img src=x onerror=alert(1)><script>alert(2)</script><!--"
    kinds = {"sent": None, "acked": None, "stored": None, "consumed": None}
    kinds |= {"fault": {"fault": bad}, "failed": {"error": bad}}
    rows = [
        Row(float(n), "web <b>", kind, bad, 0, n, bad, bad, detail=detail)
        for n, (kind, detail) in enumerate(kinds.items())
    ]
    journal = kit.Journal(rows)
    shown = [journal, kit.Replay(journal, title=bad), kit.check_duplicates(journal)]
    outputs = []
    for one in shown:
        data = {"text/plain": repr(one)}
        if isinstance(one, kit.Replay):
            data |= one._repr_mimebundle_()[0]
        elif hasattr(one, "_repr_html_"):
            data["text/html"] = one._repr_html_()
        outputs.append(nbformat.v4.new_output("display_data", data=data))
    outputs.append(nbformat.v4.new_output("stream", text=bad))
    cell = nbformat.v4.new_code_cell("journal", outputs=outputs)
    title = nbformat.v4.new_markdown_cell("# Hostile\n\nAbout 1 minutes.")
    notebook = nbformat.v4.new_notebook(cells=[title, cell])
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("conf.py", "glossary.md", "_templates", "_static"):
        copy = shutil.copytree if (ROOT / "docs" / name).is_dir() else shutil.copy
        copy(ROOT / "docs" / name, source / name)
    shutil.copy(site / "_static" / "replay.js", source / "_static" / "replay.js")
    shutil.copy(site / "_static" / "timeline.css", source / "_static" / "timeline.css")
    fact = {"minutes": 1, "seconds": 1.0, "claims": 0, "cells": 1}
    facts = {"kafka": "0", "client": "0", "day": "today", "repository": "git@github.com:a/b.git",
             "lessons": {"hostile": fact}}  # fmt: skip
    (source / "facts.json").write_text(json.dumps(facts), "utf-8")
    made = _pages.page(notebook, "hostile", facts)
    made.cells.pop(1)  # its links lead to a whole site
    nbformat.write(made, source / "index.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    page = visit("index.html", folder=target)
    assert page.locator("img[src=x]").count() == 0
    assert "onerror=alert" in page.locator("article").inner_text()
    place = player(page)
    expect(place.locator(".kit-title")).to_have_text(bad)
    place.locator("canvas").focus()
    for _ in rows:
        page.keyboard.press("ArrowLeft")
        assert "<" in place.locator(".kit-status").inner_text()
