"""The demos' pages, in a real browser; without one these tests are skipped."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from treesim.decoding.constrained import pose
from treesim.demos import blowup, constrained, failures, guidance
from treesim.errors import TreesimError
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, save_page
from treesim.hard_instances.oracle_game import demo as hidden_leaf
from treesim.samplers import Importance

PAGES = {
    "blowup": blowup.page,
    "guidance": guidance.page,
    "failures": failures.page,
    "constrained": lambda: constrained.page(partial(pose, order=2, contains=("is",)), (1, 10, 20), "contains 'is'"),
    "hidden-leaf": hidden_leaf.page,
}
PHONE, DESK = 360, 1100


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs Chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def drawn(browser):
    """What the page shows: the paths of the curves, and the lines of text."""
    return browser.execute_script(
        "return [[...document.querySelectorAll('path.curve')].map(p => p.getAttribute('d')),"
        " [...document.querySelectorAll('#notes li')].map(e => e.textContent)]"
    )


def move(browser, slider, place):
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'))",
        f"slider{slider}", place,
    )  # fmt: skip


def resize(browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE},
    )


@pytest.mark.parametrize("name", PAGES)
def test_the_page_works_in_a_browser(browser, tmp_path, name):
    page = PAGES[name]()
    save_page(page, tmp_path / "page.html")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what an earlier page left
    resize(browser, DESK)
    browser.get((tmp_path / "page.html").as_uri())

    curves, notes = drawn(browser)
    first = page.states[_number(page, [slider.start for slider in page.sliders])]
    assert len(curves) == sum(map(len, first.panels))
    assert all(curve.startswith("M") for curve in curves)
    assert notes == list(first.notes)

    for index, slider in enumerate(page.sliders):
        before = drawn(browser)
        other = len(slider.values) - 1 if slider.start == 0 else 0
        move(browser, index, other)
        shown = browser.execute_script("return document.querySelectorAll('#sliders output')[arguments[0]].value", index)
        assert drawn(browser) != before
        assert shown == str(slider.values[other])
        move(browser, index, slider.start)
        assert drawn(browser) == before

    for width in (PHONE, DESK):
        resize(browser, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        plot = browser.execute_script("return document.querySelector('svg').getBoundingClientRect().width")
        assert plot > (0.85 if width == PHONE else 0.3) * width

    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    asked = [line["message"] for line in browser.get_log("performance") if "requestWillBeSent" in line["message"]]
    assert not any("http" in message.split('"url":"')[1].split('"')[0] for message in asked)


def _number(page, places):
    """Where in `states` the state of these places is."""
    number = 0
    for slider, place in zip(page.sliders, places, strict=True):
        number = number * len(slider.values) + place
    return number


def test_pages_hold_what_was_computed():
    """The page's curve is the demo's exact figure."""
    page = blowup.page()
    places = [3, 0, 2]
    horizon, share, size = (slider.values[place] for slider, place in zip(page.sliders, places, strict=True))
    state = page.states[_number(page, places)]
    instance = blowup.right_steps(horizon, share / horizon)
    expected = Importance(size).law(instance).tv(instance.target).hi
    curve = next(curve for curve in state.panels[0] if curve.label.startswith("importance"))
    assert dict(curve.points)[size] == expected


def test_text_cannot_leave_the_data():
    """A name that looks like the end of a script stays text."""
    panel = Panel("p", Axis("x"), Axis("y"))
    page = Page("</script><b>", ["</script>"], [Slider("s", [1])], [panel], [State([[Curve("</script>", [], "red")]])])
    text = page.html()
    assert text.count("</script>") == 2
    assert "<b>" not in text


def test_the_command_writes_the_page(run):
    text = run("demo", "guidance", "--horizon", 3, "--html", "g.html").stdout
    assert "page: g.html" in text
    assert Path("g.html").read_text().startswith("<!doctype html>")


def test_wrong_endings_are_refused_before_the_work(run):
    assert "expected .html" in run.error("demo", "guidance", "--html", "g.png")
    with pytest.raises(TreesimError, match=r"expected \.html"):
        save_page(Page("t", [], [], [], []), Path("t.txt"))
