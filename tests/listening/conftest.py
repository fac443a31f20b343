"""A browser to open pages in."""

from __future__ import annotations

import pytest
from tests.browsing import browser, browser_session
from tests.listening.pages import clip

from uncodec.listening import Page, write_page

__all__ = ["browser", "browser_session"]


@pytest.fixture
def open_page(browser, tmp_path):
    """Writes a page, opens it from the disk and waits until it can play."""
    from selenium.webdriver.support.ui import WebDriverWait

    def opened(page=None, *, embedded_mb=40.0):
        write_page(page or Page("Three versions", [clip()]), tmp_path, embedded_mb=embedded_mb)
        browser.get((tmp_path / "index.html").as_uri())
        ready = "return !document.getElementById('play').disabled || uncodec.state.plain"
        WebDriverWait(browser, 30, 0.05).until(lambda driver: driver.execute_script(ready))
        return browser

    return opened
