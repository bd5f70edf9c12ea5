"""The demos' pages, in a real browser; without one those tests are skipped."""

import itertools
import json
from functools import cache, partial
from pathlib import Path

import pytest

from tests.browser import chromium
from treesim.decoding.constrained import pose
from treesim.demos import blowup, constrained, failures, guidance, language_model
from treesim.empirical.diagnosis import diagnose
from treesim.errors import TreesimError
from treesim.figures.formulas import formula
from treesim.figures.web_page import Axis, Curve, Page, Panel, Slider, State, save_page
from treesim.hard_instances import over_optimisation
from treesim.hard_instances.discoveries import DISCOVERIES
from treesim.hard_instances.discoveries import demo as discoveries
from treesim.hard_instances.oracle_game import demo as hidden_leaf
from treesim.samplers import Importance

HOSTILE = "<b>&amp;</script><img src=x onerror='pwned = 1'>$title \"'"


def few_runs():
    """Particles are run ten times for each state; where the estimates come from does not matter to a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "diagnose", partial(diagnose, n=10))
        return failures.page()


AXES = Axis(HOSTILE, low=0.0, high=1.0), Axis(HOSTILE)
PAGES = {
    "blowup": blowup.page,
    "guidance": guidance.page,
    "failures": few_runs,
    "constrained": lambda: constrained.page(partial(pose, order=2, contains=("is",)), (1, 10, 20), "contains 'is'"),
    "hidden-leaf": hidden_leaf.page,
    "language-model": language_model.page,
    "over-optimisation": over_optimisation.page,
    "discoveries": lambda: discoveries.page([make() for make in DISCOVERIES.values()]),
    "hostile": lambda: Page(
        HOSTILE, [HOSTILE, formula(HOSTILE)], [Slider(HOSTILE, [HOSTILE, "a,b"])], [Panel(HOSTILE, *AXES, [HOSTILE])],
        [State([[Curve(HOSTILE, [(0.0, 1.0), (1.0, y)], "currentColor")]], [HOSTILE]) for y in (0.0, 1.0)],
    ),
}  # fmt: skip
DEMOS = [name for name in PAGES if name != "hostile"]
PHONE, DESK = 360, 1200

page = cache(lambda name: PAGES[name]())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(browser, tmp_path_factory):
    """Opens the page of a demo afresh; afterwards nothing has gone wrong in it, and nothing was asked of a network."""

    def show(name, fragment="", width=DESK, scheme="light"):
        file = tmp_path_factory.getbasetemp() / f"{name}.html"
        if not file.exists():
            save_page(page(name), file)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        prefer(browser, scheme)
        browser.get("about:blank")
        browser.get(file.as_uri() + fragment)
        return browser

    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what an earlier page left
    yield show
    assert [line for line in browser.get_log("browser") if line["level"] != "DEBUG"] == []
    sent = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    asked = [entry["params"]["request"]["url"] for entry in sent if entry["method"] == "Network.requestWillBeSent"]
    assert asked and not [url for url in asked if url.startswith(("http", "ws"))]


def prefer(browser, scheme):
    """Whether the reader wants it light or dark."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def all_of(browser, selector, what="e.textContent"):
    return browser.execute_script(f"return {every(selector, what)}")


def every(selector, what="e.textContent"):
    return f"[...document.querySelectorAll('{selector}')].map(e => {what})"


def drawn(browser):
    """What the page shows: curves, descriptions, tables and lines of text."""
    texts = map(every, ("#sliders output", "desc", "td", ".legend li", "#notes li"))
    return browser.execute_script(f"return [{every('path.curve', 'e.getAttribute(`d`)')}, {', '.join(texts)}]")


def press(browser, selector, *keys, index=0):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.find_elements(By.CSS_SELECTOR, selector)[index].send_keys(*(getattr(Keys, key) for key in keys))


def state_at(page, places):
    """The state of these places of the sliders."""
    number = 0
    for slider, place in zip(page.sliders, places, strict=True):
        number = number * len(slider.values) + place
    return page.states[number]


@pytest.mark.parametrize("name", DEMOS)
def test_sliders_choose_among_what_was_computed(show, name):
    """By keyboard: each of them moves curves, and back."""
    browser = show(name)
    first = state_at(page(name), [slider.start for slider in page(name).sliders])
    start = drawn(browser)
    assert len(start[0]) == sum(map(len, first.panels))
    assert all(curve.startswith("M") for curve in start[0])
    assert start[-1] == list(first.notes)
    for index, slider in enumerate(page(name).sliders):
        away, back = ("END", "HOME") if slider.start == 0 else ("HOME", "END")
        press(browser, "#sliders input", away, index=index)
        other = drawn(browser)
        assert other != start and other[1][index] == f"{slider.values[-1 if away == 'END' else 0]:g}"
        steps = 0 if back == "HOME" else len(slider.values) - 1 - slider.start
        press(browser, "#sliders input", back, *["ARROW_LEFT"] * steps, index=index)
        assert drawn(browser) == start


# The contrasts of all texts, and of all lines, marks and sliders: those shown, and curves of any state.
CONTRASTS = """
const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255) + 0.05;
const contrast = (a, b) => Math.exp(Math.abs(Math.log(light(numbers(a)) / light(numbers(b)))));
function ground(e) {
  const own = getComputedStyle(e).backgroundColor;
  return numbers(own)[3] === 0 ? ground(e.parentElement) : own;
}
const all = selector => [...document.querySelectorAll(selector)];
all("details").forEach(e => { e.open = true; });
all(".plot svg")[0].focus();
const texts = all("main *, footer")
  .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .map(e => contrast(getComputedStyle(e)[e.matches("svg text") ? "fill" : "color"], ground(e)));
const lines = [["path.curve, .ring", "stroke"], [".mark", "fill"], ["input", "accentColor"]]
  .flatMap(([selector, what]) => all(selector).map(e => getComputedStyle(e)[what]));
const probe = document.querySelector(".curve");
for (const {colour} of page.curves) {
  probe.setAttribute("stroke", colour);
  lines.push(getComputedStyle(probe).stroke);
}
return [texts, lines.map(colour => contrast(colour, ground(document.body)))];
"""
LOOKS = "page.states.map(s => s.panels.map(ids => ids.map(i => `${page.curves[i].shape} ${page.curves[i].dash}`)))"


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", DEMOS)
def test_everything_stands_out_and_fits(show, name, width):
    browser = show(name, width=width)
    for scheme in ("light", "dark"):
        prefer(browser, scheme)
        texts, lines = browser.execute_script(CONTRASTS)
        assert len(texts) > 20 and min(texts) >= 4.5
        assert len(lines) > 5 and min(lines) >= 3
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        least = 0.85 if width == PHONE else 0.3
        assert min(all_of(browser, ".plot svg", "e.getBoundingClientRect().width")) > least * width
        size = "[e.getBoundingClientRect().height, e.scrollWidth - e.parentElement.clientWidth]"
        boxes = all_of(browser, "math", size)
        assert boxes and all(height > 10 and beyond <= 0 for height, beyond in boxes)
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(24, 24, 24)")


@pytest.mark.parametrize("name", DEMOS)
def test_curves_of_a_plot_differ_without_colour(show, name):
    browser = show(name)
    for panels in browser.execute_script(f"return {LOOKS}"):
        for looks in panels:
            assert len(set(looks)) == len(looks)
    look = "[...li.querySelectorAll('path')].map(p => p.getAttribute('d') + p.getAttribute('stroke-dasharray')).join()"
    keys = all_of(browser, ".legend", f"[...e.children].map(li => {look})")
    assert [len(set(looks)) for looks in keys] == [len(looks) for looks in keys]
    marked = browser.execute_script("return plots.map(p => p.curves.filter(c => c.shape !== null).length)")
    marks = all_of(browser, ".plot svg", "e.querySelectorAll('.mark').length")
    assert all(number >= 2 * curves for number, curves in zip(marks, marked, strict=True))


@pytest.mark.parametrize("name", DEMOS)
def test_a_table_and_a_description_say_what_a_plot_shows(show, name):
    from selenium.webdriver.common.by import By

    browser = show(name)
    shown = state_at(page(name), [slider.start for slider in page(name).sliders])
    tables = all_of(
        browser, "figure", "[...e.querySelectorAll('tr')].map(r => [...r.children].map(c => c.textContent))"
    )
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot svg")
    for panel, curves, (head, *rows), plot, text in zip(
        page(name).panels, shown.panels, tables, plots, all_of(browser, "desc"), strict=True
    ):
        assert head == [panel.x.label, *(curve.label for curve in curves)]
        assert [x for x, *_ in rows] == list(dict.fromkeys(x for x, *_ in rows))
        assert len(rows) == len({float(f"{x:.6g}") for curve in curves for x, _ in curve.points})
        assert sum(cell != "–" for _, *cells in rows for cell in cells) == sum(
            y is not None for curve in curves for _, y in curve.points
        )
        assert (plot.get_attribute("role"), plot.accessible_name) == ("img", panel.title)
        assert all(word in text for word in head)
    for field, slider in zip(browser.find_elements(By.CSS_SELECTOR, "input"), page(name).sliders, strict=True):
        assert (field.aria_role, field.accessible_name) == ("slider", slider.label)
        assert field.get_attribute("aria-valuetext") == f"{slider.values[slider.start]:g}"


def test_values_are_read_by_pointer_and_by_keyboard(show):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    browser = show("blowup")
    shown = state_at(page("blowup"), [slider.start for slider in page("blowup").sliders])
    plot = browser.find_element(By.CSS_SELECTOR, ".plot svg")
    best, importance, guided = shown.panels[0]

    def value():
        label, x, y = all_of(browser, ".value")[0].split("\n")
        return label, float(x.split(": ")[1]), float(y.split(": ")[1])

    def said(curve, place):
        x, y = curve.points[place]
        return curve.label, pytest.approx(x, rel=1e-5), pytest.approx(y, rel=1e-5)

    assert all_of(browser, ".value")[0] == ""
    left, top, width, height = browser.execute_script(
        "const {left, top} = plots[0].curves[2].seen[5], {width, height} = plots[0]; return [left, top, width, height]"
    )
    ActionChains(browser).move_to_element_with_offset(plot, round(left - width / 2), round(top - height / 2)).perform()
    assert value() == said(guided, 5)
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert all_of(browser, ".value")[0] == ""

    browser.execute_script("arguments[0].focus()", plot)
    assert value() == said(best, 0)
    for keys, curve, place in (
        (["ARROW_RIGHT"] * 2, best, 2), (["ARROW_DOWN"], importance, 2), (["ARROW_UP"] * 2, guided, 2),
        (["ARROW_LEFT"], guided, 1), (["END"], guided, -1), (["ARROW_RIGHT"], guided, -1), (["HOME"], guided, 0),
    ):  # fmt: skip
        press(browser, ".plot svg", *keys)
        assert value() == said(curve, place)
    box, frame = (browser.find_element(By.CSS_SELECTOR, css).rect for css in (".value", ".plot"))
    assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    press(browser, ".plot svg", "ESCAPE")
    assert all_of(browser, ".value")[0] == ""


@pytest.mark.parametrize("name", ["guidance", "hostile"])
def test_the_address_keeps_the_sliders(show, name):
    browser = show(name)
    start = drawn(browser)
    press(browser, "#sliders input", "END")
    moved, fragment = drawn(browser), browser.execute_script("return location.hash")
    assert moved != start
    if name == "guidance":
        assert fragment == "#10,1,1"
    browser.refresh()
    assert drawn(browser) == moved
    assert drawn(show(name, fragment)) == moved
    browser.execute_script("location.hash = arguments[0]", "#8,1,1" if name == "guidance" else "#nothing")
    assert drawn(browser) == (start if name == "guidance" else moved)


def test_bad_fragments_are_ignored(show):
    start = drawn(show("guidance"))
    for fragment in ("#", "#8", "#8,1,1,1", "#9,1,1", "#8,1,", "#%", "#%E0%A4%A,1,1", "#__proto__,1,1"):
        assert drawn(show("guidance", fragment)) == start, fragment


def test_text_of_others_stays_text(show):
    """Texts that look like markup are shown as they are, wherever they stand."""
    browser = show("hostile")
    assert browser.execute_script("return typeof pwned") == "undefined"
    assert all_of(browser, "b, img") == []
    for selector in ("title", "h1", "main > p", "label", "output", "figcaption", ".about p", ".legend li", "#notes li"):
        assert all_of(browser, selector) == [HOSTILE], selector
    assert page("hostile").html().count("</script>") == 2


def test_the_third_panel_of_failures_follows_its_sliders():
    shown = {place: state_at(page("failures"), place).panels[2] for place in ((0, 3), (3, 3), (0, 1))}
    (draws, few), (same, many), (short, _) = shown[0, 3], shown[3, 3], shown[0, 1]
    assert draws.points == same.points
    assert {n for _, n in few.points} == {10} and {n for _, n in many.points} == {300}
    assert draws.points[-1] == (100, 20429) and short.points == draws.points[: len(short.points)]
    assert short.points[-1][0] == 20


def test_every_panel_of_the_oracle_game_follows_every_slider():
    """And says of the chosen queries and horizon what the curves say there."""
    shown = page("hidden-leaf")
    start = [slider.start for slider in shown.sliders]
    first = state_at(shown, start)
    for index in range(len(shown.sliders)):
        other = state_at(shown, [0 if i == index else place for i, place in enumerate(start)])
        assert all(one != two for one, two in zip(first.panels, other.panels, strict=True))
    for places in itertools.product(*(range(len(slider.values)) for slider in shown.sliders)):
        horizon, _, budget = (slider.values[place] for slider, place in zip(shown.sliders, places, strict=True))
        (best, *_, bought), (bound, _, spent, needed) = state_at(shown, places).panels
        assert bought.points == [(budget, dict(best.points)[budget])]
        assert needed.points == [(horizon, pytest.approx(dict(bound.points)[horizon], rel=1e-12))]
        assert set(dict(spent.points).values()) == {budget}


def test_pages_hold_what_was_computed():
    """The page's curve is the demo's exact figure."""
    places = [3, 0, 2]
    sliders = page("blowup").sliders
    horizon, share, size = (slider.values[place] for slider, place in zip(sliders, places, strict=True))
    instance = blowup.right_steps(horizon, share / horizon)
    expected = Importance(size).law(instance).tv(instance.target).hi
    curve = next(c for c in state_at(page("blowup"), places).panels[0] if c.label.startswith("importance"))
    assert dict(curve.points)[size] == expected


def test_every_figure_of_the_discoveries_is_on_their_page(discovered):
    panels, [state] = page("discoveries").panels, page("discoveries").states
    shown = dict(zip((panel.title for panel in panels), state.panels, strict=True))
    for name, make in DISCOVERIES.items():
        experiment = make().experiment
        assert {curve.label: curve.points for curve in shown[name]} == experiment.curves
        if experiment.surface is not None:
            first, *_, last = shown[f"{name}: the map"]
            assert [z for _, z in first.points] == experiment.surface.z[0]
            assert [z for _, z in last.points] == experiment.surface.z[-1]
    assert "sliders" not in page("discoveries").html().split("<footer>")[1].split("</footer>")[0]
    assert len(panels) == 12 and set(discoveries.FORMULAS) == set(DISCOVERIES)


def test_a_page_alone_draws_no_figure(run, monkeypatch):
    monkeypatch.setattr(guidance, "page", lambda *_: page("hostile"))
    arguments = ("demo", "guidance", "--horizon", 2)
    text = run(*arguments, "--html", "page.html").stdout
    assert "page: page.html" in text and "figure:" not in text
    assert [path.name for path in Path().iterdir()] == ["page.html"]
    assert Path("page.html").read_text().startswith("<!doctype html>")
    document = run.json(*arguments, "--html", "page.html", "-o", "figure.svg")
    assert (document["figure"], document["page"]) == ("figure.svg", "page.html")
    assert Path("figure.svg").exists()


def test_wrong_endings_are_refused_before_the_work(run):
    assert "expected .html" in run.error("demo", "guidance", "--html", "g.png")
    assert "expected .html" in run.error("demo", "discoveries", "--html", "g.png")
    with pytest.raises(TreesimError, match=r"expected \.html"):
        save_page(Page("t", [], [], [], []), Path("t.txt"))
