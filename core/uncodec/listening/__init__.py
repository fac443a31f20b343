"""The listening page: versions of one recording to hear, see and judge blind in a browser.

Plain HTML, CSS and scripts in `web`, filled with what `Page` holds. Knows no engine and no metric.
"""

from uncodec.listening.page import Clip, Page, Table, Version, write_page

__all__ = ["Clip", "Page", "Table", "Version", "write_page"]
