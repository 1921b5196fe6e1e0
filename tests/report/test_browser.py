"""The page in a real browser: filters, sorting, links, colours, keyboard; no errors, no request, nothing wider than the window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshtest.report.html.page import page as page_of
from meshtest.report.record import Record
from tests.report.records import incomplete, passed, record, violated

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

SIZES = [(1440, 900), (390, 844)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, or else Playwright's."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        except sync_api.Error as error:
            if os.environ.get("MESHTEST_NEEDS_BROWSER"):
                raise
            pytest.skip(f"there is no Chromium: {str(error).splitlines()[0]}")
        yield found
        found.close()


class Opened:
    """A page, and what went wrong or was asked for while it was open."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page, self.file = page, file
        self.wrong, self.asked = list[str](), list[str]()
        page.on("console", lambda message: self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(file.as_uri())

    def shown(self) -> list[str]:
        """The outcomes of the rows of the table that are shown."""
        rows = self.page.locator(".index tbody tr:visible")
        return [str(row.get_attribute("data-outcome")) for row in rows.all()]

    def done(self) -> None:
        """Nothing went wrong, and nothing but the file was asked for."""
        assert self.wrong == []
        assert {each.partition("#")[0] for each in self.asked} == {self.file.as_uri()}


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens the page of a record; at the end nothing must have gone wrong."""
    opened = list[Opened]()

    def begin(of: Record, **options: Any) -> Opened:
        file = tmp_path / f"{len(opened)}.html"
        file.write_text(page_of(of), encoding="utf-8", errors="backslashreplace")
        opened.append(Opened(browser.new_page(**options), file))
        return opened[-1]

    yield begin
    for each in opened:
        each.done()
        each.page.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits(show: Any, width: int, height: int, colours: str) -> None:
    """Closed and with all tests open nothing is wider than the window; the red test is open, the others are not."""
    page = show(incomplete(), viewport={"width": width, "height": height}, color_scheme=colours).page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("details.test[open]").count() == 1
    page.click("#unfold")
    assert page.locator("details.test[open]").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (colours == "dark")


def test_filters(show: Any) -> None:
    """By text (a resource, too), outcome and theme; what does not fit is hidden in both lists, and it is said how many are left."""
    opened = show(record(*(passed(number) for number in range(8)), violated()))
    page = opened.page
    assert opened.shown() == ["violated", *["passed"] * 8]
    page.uncheck("input[value=passed]")
    assert opened.shown() == ["violated"]
    assert page.locator("details.test:visible").count() == 1
    assert page.inner_text("#shown") == "1 of 9 shown"
    page.check("input[value=passed]")
    page.select_option("#theme-of", "suites/theme0")
    assert len(opened.shown()) == 2
    page.select_option("#theme-of", "")
    page.fill("#find", "SHARE_3 reviews")
    assert opened.shown() == ["passed"]
    page.fill("#find", "no such thing")
    assert opened.shown() == []
    page.fill("#find", "")
    assert page.inner_text("#shown") == "all 9 shown"


def test_sorting(show: Any) -> None:
    """A click sorts, another one the other way round; assistive technology is told."""
    page = show(record(*(passed(number) for number in range(5)), violated())).page

    def seconds() -> list[float]:
        return [float(each) for each in page.locator(".index tbody td:last-child").all_inner_texts()]

    head = page.locator(".index th", has=page.get_by_role("button", name="seconds"))
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert seconds() == sorted(seconds())
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert seconds() == sorted(seconds(), reverse=True)


def test_links(show: Any) -> None:
    """A link to a test opens it, also one that was filtered away and one in the address; a rule's line is found in its manifest."""
    opened = show(record(*(passed(number) for number in range(5)), violated()))
    page = opened.page
    link = page.locator(".index a", has_text="Share number 3")
    target = str(link.get_attribute("href"))
    link.click()
    assert page.locator(target).is_visible()
    page.locator(f"{target} h5 a").click()
    assert page.locator("#p0-9").is_visible()
    again = show(record(*(passed(number) for number in range(5)))).page
    again.goto(again.url + target)
    again.reload()
    assert again.locator(target).is_visible()


def test_colours_by_hand(show: Any) -> None:
    """The switch turns the colours round, and says which are on."""
    page = show(incomplete(), color_scheme="light").page
    assert page.get_attribute("#theme", "aria-pressed") == "false"
    page.click("#theme")
    assert page.get_attribute("#theme", "aria-pressed") == "true"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_in_print(show: Any) -> None:
    """Paper is white, whatever the screen is; what cannot be pressed is not there, the heads of the columns are."""
    page = show(incomplete(), color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".copy:visible, #theme:visible, .filter:visible").count() == 0
    assert page.locator(".index thead th:visible").count() == 6
    assert page.locator(".index thead button:visible").count() == 4


def test_by_keyboard(show: Any) -> None:
    """The first stop skips to the policies; every control has a name."""
    page = show(incomplete()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "policies"
    nameless = "[...document.querySelectorAll('button,input,select,svg')].filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.getAttribute('aria-labelledby')))"
    assert page.evaluate(f"{nameless}.length") == 0


def test_contrast(show: Any) -> None:
    """Text is told from its background by 4.5 to 1 (WCAG 2.1 AA), in both colours."""
    for colours in ("light", "dark"):
        page = show(incomplete(), color_scheme=colours).page
        page.click("#unfold")
        assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const rgb = (text) => { const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const paper = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 200) return c; } return [255, 255, 255, 255]; };
  const low = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.closest("svg") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(paper(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.add(`${e.tagName}.${e.className} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return [...low];
}"""


def test_without_scripts(show: Any) -> None:
    """Everything can be read without JavaScript; what would do nothing is not shown."""
    page = show(incomplete(), java_script_enabled=False).page
    assert page.locator("button:visible, .filter:visible").count() == 0
    assert page.locator(".index tbody tr:visible").count() == 3
    page.locator("details.test:not([open]) > summary").first.click()
    assert page.locator("svg:visible").count() > 3


def test_markup_from_outside(show: Any) -> None:
    """Scripts that were planted do not run, and what was planted is seen as text."""
    hostile = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    page = show(record(passed(1, doc=hostile, failure=hostile), violated(why=hostile))).page
    page.click("#unfold")
    assert "taken" not in page.title().replace(hostile, "")
    assert page.locator("h3", has_text="<img src=x").count() == 1
