"""The site as it is built: headings, pictures, links; in a browser, contrast, names, search, and no network.

Where mkdocs is missing (`pip install '.[docs]'`), or a browser, those tests are skipped.
"""

import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from tests.browser import chromium

ROOT = Path(__file__).parent.parent
PHONE, DESK = 360, 1300
# One page of each kind.
KINDS = (
    "index.html", "start.html", "tutorials/first-tree.html", "gallery.html", "ledger.html", "api/theory.html",
    "which-sampler.html", "slides/lecture.html",
)  # fmt: skip


class Outline(HTMLParser):
    """The headings of a page, its pictures, and what its head loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.alts: list[str | None] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.alts.append(known.get("alt"))
        if tag in ("script", "img", "iframe"):
            self.loaded.append(known.get("src") or "")
        if tag == "link" and known.get("rel") != "canonical":
            self.loaded.append(known.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly, so that dead links fail (with ``--quiet`` they pass)."""
    pytest.importorskip("mkdocs", reason="mkdocs is in the extra treesim[docs]")
    pytest.importorskip("material", reason="mkdocs-material is in the extra treesim[docs]")
    folder = tmp_path_factory.mktemp("site") / "built"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """The outline of every page that mkdocs made, by name."""
    texts = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    return {name: Outline(text) for name, text in texts.items() if not name.startswith(("pages/", "slides/"))}


def test_every_page_has_one_title_and_skips_no_heading(pages):
    assert len(pages) > 70
    for name, page in pages.items():
        assert page.levels.count(1) == 1, name
        steps = [after - before for before, after in pairwise(page.levels)]
        assert max(steps, default=0) <= 1, (name, page.levels)


def test_every_picture_says_what_it_shows(pages):
    alts = [(name, alt) for name, page in pages.items() for alt in page.alts]
    assert len(alts) > 40
    assert [name for name, alt in alts if not alt or len(alt) < 12] == []


def test_nothing_is_loaded_from_elsewhere(site, pages):
    assert [(name, url) for name, page in pages.items() for url in page.loaded if "//" in url] == []
    sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [text for text in sheets if re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text)] == []


def test_examples_that_stand_in_the_text_of_a_docstring_are_code(site):
    text = (site / "api" / "ground.html").read_text(encoding="utf-8")
    assert text.count('class="gp">&gt;&gt;&gt; ') > 25
    assert "<blockquote>" not in text


def test_the_figures_and_pages_of_the_gallery_are_there(site):
    names = {path.name for path in (site / "pages").iterdir()}
    assert {f"{name}.html" for name in ("blowup", "constrained", "discoveries", "failures", "guidance")} <= names
    assert {"hidden-leaf.html", "language-model.html", "over-optimisation.html", "card.html"} <= names
    figures = list((site / "gallery").glob("*.png"))
    assert len(figures) >= 60 and all(path.stat().st_size > 2_000 for path in figures)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        # The theme lets the keyboard scroll code where there is a mouse, and a browser without a screen has none.
        mouse = "const all = matchMedia; matchMedia = (text) => text === '(hover)' ? all('all') : all(text)"
        opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": mouse})
        yield opened


def look(browser, path, width, scheme):
    """Open a page as a device of some width would, in light or dark."""
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(path.as_uri())
    time.sleep(0.3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_tool_finds_no_fault_of_access_and_nothing_is_too_wide(site, browser, width, scheme):
    """WCAG 2, levels A and AA, by axe-core: contrast among them."""
    found = find_spec("axe_core_python")
    if found is None:
        pytest.skip("axe-core-python is in the extra treesim[docs]")
    axe = (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    run = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']}).then((found) => arguments[0](found.violations))"
    for name in KINDS:
        look(browser, site / name, width, scheme)
        browser.execute_script(axe)
        faults = browser.execute_async_script(run)
        assert [(fault["id"], [node["html"] for node in fault["nodes"][:2]]) for fault in faults] == [], name
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), name


def test_pages_ask_no_network_and_report_no_error(site, browser):
    browser.get_log("performance"), browser.get_log("browser")
    for name in KINDS:
        look(browser, site / name, DESK, "light")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert asked and [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_search_finds_words_without_a_server(site, browser):
    browser.get((site / "index.html").as_uri() + "?q=Chebyshev")
    said = ""
    for _ in range(50):
        said = browser.execute_script("return document.querySelector('.md-search-result__meta').textContent")
        if "matching" in said:
            break
        time.sleep(0.2)
    assert re.search(r"[1-9]\d* matching documents?", said), said


def test_slides_turn(site, browser):
    from selenium.webdriver.common.keys import Keys

    look(browser, site / "slides" / "lecture.html", DESK, "light")
    shown = "return [...document.querySelectorAll('section')].map((slide) => getComputedStyle(slide).display != 'none')"
    assert browser.execute_script(shown).index(True) == 0
    browser.find_element("tag name", "body").send_keys(Keys.ARROW_RIGHT)
    time.sleep(0.1)
    after = browser.execute_script(shown)
    assert after.index(True) == 1 and after.count(True) == 1 and len(after) >= 15
