"""Where the browser is that the browser tests drive. Standard library only: the test command asks before anything."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")


def chromium() -> str | None:
    """A Chromium: the one that CHROMIUM names, or the first on the PATH."""
    found = map(shutil.which, filter(None, (os.environ.get("CHROMIUM"), *NAMES)))
    return next(filter(None, found), None)
