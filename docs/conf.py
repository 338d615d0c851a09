"""How the pages are made and look. `./kit docs` lays them out first: see kittools/site/build.py."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

from kittools.site import pages

HERE = Path(__file__).parent
FACTS = json.loads((HERE / "facts.json").read_text("utf-8"))

project = "Kafka notebook kit"
author = "the authors of the kit"
project_copyright = author
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_parts", "_notebooks", "_templates"]
nb_execution_mode = "off"  # executed already, by the library that `kit run` uses
nb_merge_streams = True
myst_heading_anchors = 3
myst_enable_extensions = ["substitution"]
myst_substitutions = pages.substitutions(FACTS)
default_role = "code"  # docstrings write code between single backticks
autodoc_typehints = "none"
autodoc_member_order = "bysource"
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["timeline.css", "site.css"]
html_js_files = [("replay.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a browser reads no page from disk into another
html_permalinks_icon = "#"
html_context = {"default_mode": "auto", "facts": FACTS}
html_theme_options = {
    "logo": {"text": project},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "footer_start": ["verified"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "back_to_top_button": False,
}
html_sidebars = {
    "index": [],
    "install": [],
    "beliefs": [],
    "glossary": [],
    "cheat-sheet": [],
    "instructors": [],
}

# The words of the glossary. Where a lesson stresses one of them, it becomes a link to its meaning.
WORDS = set(re.findall(r"^(\w[\w -]*)\n(?=  )", (HERE / "glossary.md").read_text("utf-8"), re.M))


def link(app, doctree):
    """Give each code cell the id of its cell, and link stressed words to the glossary."""
    labels = app.env.domains["std"]
    page = app.env.current_document.docname
    for cell in doctree.findall(nodes.container):
        name = cell.get("cell_metadata", {}).get("anchor")
        if name is None:
            continue
        cell["ids"].append(name)
        if name.startswith("belief-"):
            labels.anonlabels[name] = page, name
            labels.labels[name] = page, name, name
    if not page.startswith("lessons/"):
        return
    seen = set()
    for stressed in list(doctree.findall(nodes.emphasis)):
        word = stressed.astext().lower()
        word = word if word in WORDS else word.removesuffix("s")
        if word not in WORDS or word in seen or isinstance(stressed.parent, nodes.title):
            continue
        seen.add(word)
        reference = addnodes.pending_xref(
            "", refdomain="std", reftype="term", reftarget=word, refexplicit=True, refwarn=True,
            refdoc=page,
        )  # fmt: skip
        stressed.replace_self(reference)
        reference += stressed


def setup(app):
    """Connect `link`; Sphinx calls this."""
    app.connect("doctree-read", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
