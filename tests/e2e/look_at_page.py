"""Look at pages in Chromium, on a desktop and on a phone, light and dark; print what is wrong as JSON.

Run with the Python of .envs/browser, which has Playwright: look_at_page.py CHROMIUM FOLDER_FOR_PICTURES PAGE ...
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS: Final = (390, 1280)
SCHEMES: Final = ("light", "dark")
HEIGHT: Final = 900
FOUND: Final = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
# Pixels of text on the screen; contrast of text, of large text and of marks: WCAG 2.2, 1.4.3 and 1.4.11.
LEAST: Final = (9, 4.5, 3, 3)


def looked(page: Page, address: str) -> dict[str, Any]:
    """What a page shows and what is wrong with it."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"page: {error}"))
    page.on("requestfailed", lambda request: said.append(f"request: {request.url}"))
    page.goto(address)
    found: dict[str, Any] = page.evaluate(FOUND, list(LEAST))
    return {**found, "wrong": [*said, *found["wrong"]]}


def look(browser: Browser, file: Path, pictures: Path) -> Iterator[dict[str, Any]]:
    """Look at a file at every width and in every colour scheme; keep a picture of each, and one printed."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, is_mobile=width == min(WIDTHS)
            )
            page = context.new_page()
            found = looked(page, file.as_uri())
            page.screenshot(path=pictures / f"{file.parent.name}-{file.stem}-{width}-{scheme}.png", full_page=True)
            if (width, scheme) == (max(WIDTHS), "dark"):
                page.pdf(path=pictures / f"{file.parent.name}-{file.stem}.pdf", format="A4")
            context.close()
            yield {"page": str(file), "width": width, "scheme": scheme, **found}


def main() -> None:
    """Look at the pages of the command line."""
    chromium, pictures, *files = sys.argv[1:]
    with sync_playwright() as playwright:
        # The pages are our own, and a container's root has no sandbox.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = [each for file in files for each in look(browser, Path(file).absolute(), Path(pictures))]
        browser.close()
    print(json.dumps(found, indent=1))  # noqa: T201 - the output of a program


if __name__ == "__main__":
    main()
