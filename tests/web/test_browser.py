"""The page of ``uncodec web`` in a browser, with the real server behind it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.web.desks import RATE, noise

from uncodec.io import Tags, write_audio, write_tags

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

CODED = Path(__file__).resolve().parents[2] / "demo/coded.mp3"
HOSTILE = "<img src=x onerror=window.hit=1></script><script>window.hit=2</script>"


@pytest.fixture
def start(tmp_path, browser):
    """Starts a server; returns the process and the address that opens its page."""
    running = []

    def started(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "uncodec", "web", "--no-browser", *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
        )
        running.append(process)
        found = re.search(r"http\S+", process.stdout.readline())
        assert found
        return process, found[0]

    yield started
    # Else the page would complain that its server is gone.
    browser.get("about:blank")
    for process in running:
        process.kill()
        process.communicate()


class Driver:
    """What somebody in front of the page does."""

    def __init__(self, browser):
        self.browser = browser

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, expression, seconds=180):
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        def told(driver):
            return driver.execute_script(f"return {expression}")

        try:
            return WebDriverWait(self.browser, seconds, 0.05).until(told)
        except TimeoutException:
            shown = self.js("return document.body.innerText.slice(0, 3000)")
            pytest.fail(f"never true: {expression}\n{self.browser.get_log('browser')}\n{shown}")

    def open(self, address):
        # The same address with another token would be no other page.
        self.browser.get("about:blank")
        self.browser.get(address)
        self.wait("!document.getElementById('columns').hidden")

    def drop(self, *paths):
        """Drop files from outside, as a file manager does."""
        box = self.js("return document.getElementById('drop').getBoundingClientRect().toJSON()")
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        place = {"x": box["x"] + 20, "y": box["y"] + 20, "data": data}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.browser.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, **place})

    def click(self, place):
        self.browser.find_element("id", place).click()

    def text(self, place):
        return self.browser.find_element("id", place).text

    def row(self, name):
        for row in self.browser.find_elements("css selector", ".file"):
            if row.find_element("class name", "name").text == name:
                return row
        raise AssertionError(name)

    def slide(self, place, value):
        self.js(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input', {bubbles: true}))",
            place,
            str(value),
        )

    def previewed(self):
        """Wait for the preview; return the hashes of source and restored sound."""
        self.wait("uncodec.state.packed")
        self.wait("!uncodec.hear.state.running && !uncodec.hear.state.timer")
        return self.js("return uncodec.state.clip.versions.map((version) => version.sha256)")


@pytest.fixture
def page(browser):
    return Driver(browser)


def shown(page, state):
    return f"uncodec.keep.state.queue.tickets.filter((ticket) => ticket.state === '{state}').length"


def by_command(source, target, *options):
    words = ["restore", str(source), "-o", str(target), *options]
    subprocess.run([sys.executable, "-m", "uncodec", *words], check=True)
    return target.read_bytes()


def test_from_a_drop_to_results_over_a_kill_of_the_server(page, start, tmp_path):
    sources = tmp_path / "mine"
    sources.mkdir()
    coded = Path(shutil.copy(CODED, sources / "evening.mp3"))
    clean = sources / "master.flac"
    write_audio(clean, noise(40.0), RATE)
    write_tags(clean, Tags({"title": (HOSTILE,)}))
    broken = sources / "<b>broken.mp3"
    broken.write_bytes(np.random.default_rng(0).bytes(20_000))
    process, address = start()
    page.open(address)
    page.drop(coded, clean, broken)
    page.wait("uncodec.files.files.size === 3")
    page.wait("[...uncodec.files.files.values()].every((f) => /ready|broken/.test(f.state))")

    # Each shows what was found; what is undamaged is said to be so and left out.
    assert "cannot be decoded" in page.row("<b>broken.mp3").text
    assert not page.row("<b>broken.mp3").find_element("tag name", "input").is_enabled()
    assert "undamaged" in page.row("master.flac").text
    assert not page.row("master.flac").find_element("tag name", "input").is_selected()
    assert "compressed" in page.row("evening.mp3").text
    assert "treble to" in page.row("evening.mp3").text
    assert page.row("evening.mp3").find_element("tag name", "input").is_selected()

    # Text from files is text.
    page.row("master.flac").find_element("class name", "open").click()
    page.previewed()
    assert page.text("chosen-title") == HOSTILE
    assert page.js("return window.hit === undefined && document.images.length === 0")

    # A preview, and knobs that move while it plays.
    page.row("evening.mp3").find_element("class name", "open").click()
    source, restored = page.previewed()
    assert source != restored
    page.click("play")
    page.wait("uncodec.state.player && uncodec.state.player.playing")
    begun = page.js("return uncodec.state.player.position()")
    for value in (80, 60, 40, 20, 0):
        page.slide("amount", value)
        time.sleep(0.02)
    assert page.previewed() == [source, source]
    assert page.js("return uncodec.state.player.playing")
    page.wait(f"Math.abs(uncodec.state.player.position() - {begun}) > 0.1")
    page.slide("amount", 50)
    page.slide("brightness", 3)
    assert page.previewed()[1] not in (source, restored)

    # A blind test: nothing may be changed meanwhile.
    page.click("tab-abx")
    page.browser.find_element("id", "abx-count").clear()
    page.browser.find_element("id", "abx-count").send_keys("2")
    page.click("abx-start")
    assert not page.browser.find_element("id", "amount").is_enabled()
    page.row("master.flac").find_element("class name", "open").click()
    assert page.text("chosen-title") != HOSTILE
    page.click("abx-vote-a")
    page.click("abx-vote-b")
    assert source in page.text("abx-text")
    assert page.browser.find_element("id", "amount").is_enabled()
    page.click("tab-listen")

    # Keeping: the server is killed in mid-queue, and another one finishes.
    page.row("master.flac").find_element("tag name", "input").click()
    page.click("keep-all")
    page.wait(f"{shown(page, 'working')} === 1 && {shown(page, 'done')} === 1")
    process.kill()
    process.wait()
    page.wait("!document.getElementById('lost').hidden")
    assert "does not answer" in page.text("lost")
    results = tmp_path / "restored"
    assert not (results / "master.flac").exists()
    _, address = start()
    page.open(address)
    # That the first server was gone the browser told as well, and nothing else.
    told = [entry["message"] for entry in page.browser.get_log("browser")]
    assert [text for text in told if "ERR_" not in text and "[DOM]" not in text] == []
    page.wait(f"{shown(page, 'done')} === 2")
    options = ["--amount", "0.5", "--brightness", "3"]
    for name in (coded, clean):
        expected = by_command(name, tmp_path / f"{name.stem}.flac", *options)
        assert (results / f"{name.stem}.flac").read_bytes() == expected

    # The report of a result is one file.
    done = page.browser.find_elements("css selector", ".ticket.done [data-action=report]")
    done[-1].click()
    page.wait("/Report: /.test(document.getElementById('tickets').textContent)")
    report = results / "master.flac.html"
    assert HOSTILE not in report.read_text()
    assert "master.flac" in report.read_text()
    assert page.js("return window.hit === undefined")


def test_by_keys_alone_and_at_every_width(page, start, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(3):
        write_audio(
            folder / f"{number} a rather long name of a song.flac", noise(1.0, number), RATE
        )
    _, address = start(folder)
    page.open(address)
    page.wait("uncodec.files.files.size === 3")
    page.wait("[...uncodec.files.files.values()].every((f) => f.header.seconds)")

    def press(*keys):
        for key in keys:
            ActionChains(page.browser).send_keys(key).perform()

    def focused():
        return page.js(
            "const e = document.activeElement; return e.id || e.className + ' ' +"
            "(e.closest('li') ? [...e.closest('ul').children].indexOf(e.closest('li')) : '')"
        )

    page.js("document.body.focus()")
    for _ in range(30):
        press(Keys.TAB)
        if focused() == "open 0":
            break
    assert focused() == "open 0"
    press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert focused() == "open 2"
    press(Keys.ARROW_UP, Keys.ENTER)
    assert page.text("chosen-title").startswith("1 a rather")
    page.previewed()
    for _ in range(40):
        press(Keys.TAB)
        if focused() == "amount":
            break
    press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert page.text("amount-told") == "98 %"
    page.previewed()
    page.js("document.activeElement.blur()")
    press(Keys.SPACE)
    page.wait("uncodec.state.player.playing")
    press("1")
    assert page.js("return uncodec.state.current") == 0
    press(Keys.SPACE)

    named = (
        "const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') ||"
        " (e.labels && e.labels.length && e.labels[0].textContent.trim());"
        "return [...document.querySelectorAll('button, select, input, a, progress, [role=slider]')]"
        ".filter((e) => !e.hidden && !named(e)).map((e) => e.outerHTML)"
    )
    assert page.js(named) == []
    ids = page.js("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    for width in (390, 600, 820, 1000, 1280, 1920):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 900}
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            beyond = page.js(
                "const e = document.documentElement; return e.scrollWidth - e.clientWidth"
            )
            assert beyond == 0, width
        finally:
            page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_its_token_the_page_stays_locked(page, start):
    _, address = start()
    page.browser.get("about:blank")
    page.browser.get(address.partition("#")[0])
    page.js("localStorage.clear()")
    page.browser.get("about:blank")
    page.browser.get(address.partition("#")[0])
    page.wait("!document.getElementById('gate').hidden")
    assert page.js("return document.getElementById('columns').hidden")
    # Two tabs: the token of the first opens the second, and is in no address.
    page.open(address)
    assert page.js("return location.hash") == ""
    page.open(address.partition("#")[0])
    for entry in page.browser.get_log("browser"):
        assert entry["level"] != "SEVERE" or "401" in entry["message"], entry
