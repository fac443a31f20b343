"""A browser to open pages in.

It is Debian's: packages ``chromium`` and ``chromium-driver``. Where it is missing its tests are
skipped, unless UNCODEC_BROWSER=required says that they must run, as ``make test-browser`` does.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

__all__ = ["browser", "browser_session"]


@pytest.fixture(scope="session")
def browser_session():
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if find_spec("selenium") is None:
        missing.append("selenium")
    if missing:
        told = (
            f"needs {' and '.join(missing)} "
            "(Debian: apt-get install chromium chromium-driver; pip install selenium)"
        )
        if os.environ.get("UNCODEC_BROWSER") == "required":
            pytest.fail(told)
        pytest.skip(told)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def browser(browser_session):
    """A browser whose console must stay free of errors."""
    browser_session.get_log("browser")
    yield browser_session
    errors = [entry for entry in browser_session.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
