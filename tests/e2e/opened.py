"""The page in a browser, watched: what it asks, what it complains of."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Request, expect

PATIENCE_MS = 60_000
"""The machine may be busy."""
INSECURE_HOST = "stance.test"
"""Leads to this machine, but no browser thinks it safe."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
)
ASTRONAUT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""
_EXPECTED = ("Failed to load resource", "willReadFrequently")
"""What Chromium says of every answer that is no success, and of the tests' looks at the canvas."""


def payload(path: Path) -> dict:
    """A JPEG as if a person had chosen it."""
    return {"name": path.name, "mimeType": "image/jpeg", "buffer": path.read_bytes()}


expect.set_options(timeout=PATIENCE_MS)


class Opened:
    """The page in a window of its own.

    Args:
        context: of a browser; closed with the page.
        script: runs before the page's own.
        before: prepares the window.
        ready: wait until the page knows the service's models.
    """

    def __init__(
        self,
        context: BrowserContext,
        *,
        script: str = "",
        before: Callable[[Page], None] | None = None,
        ready: bool = True,
    ) -> None:
        self._context = context
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(_WATCH + script)
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        if before is not None:
            before(self.page)
        self.page.goto("/")
        if ready:
            expect(self.page.locator("body")).to_have_attribute("data-ready", "true")

    def __getitem__(self, selector: str):
        return self.page.locator(selector)

    @property
    def predictions(self) -> list[Request]:
        """The requests about pictures, so far."""
        return [one for one in self.requests if urlsplit(one.url).path == "/predict"]

    def add(self, *files: Path | dict) -> None:
        """Adds pictures, by path or as Playwright's payloads."""
        payloads = [payload(file) if isinstance(file, Path) else file for file in files]
        self.page.set_input_files("#files", payloads)

    def add_astronaut(self) -> None:
        """Adds the photograph and waits until its person is there."""
        self.add(ASTRONAUT)
        expect(self["#people .person"]).to_have_count(1)

    def move(self, slider: str, *keys: str) -> None:
        for key in keys:
            self[slider].press(key)

    def drawn(self) -> None:
        """Waits until what was asked of the canvas is on it."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def colours(self) -> dict[str, int]:
        """How many of the canvas's pixels have the colour of each side."""
        self.drawn()
        return self["#canvas"].evaluate(
            """(canvas) => {
              const sides = { left: [0, 158, 255], right: [255, 140, 0], centre: [64, 220, 120] };
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              const counts = { left: 0, right: 0, centre: 0 };
              for (let at = 0; at < data.length; at += 4)
                for (const [side, colour] of Object.entries(sides))
                  if (colour.every((value, index) => data[at + index] === value)) counts[side] += 1;
              return counts;
            }"""
        )

    def close(self) -> None:
        """Fails if the page asked another host, broke its policy or had an error."""
        origin = urlsplit(self.page.url)[:2]
        asked = {urlsplit(one.url)[:2] for one in self.requests if not one.url.startswith("blob:")}
        violations = self.page.evaluate("window.violations")
        self._context.close()
        assert asked == {origin}, asked
        assert not violations, violations
        assert not self.complaints, self.complaints

    def _listen(self, message) -> None:
        if message.type not in ("error", "warning"):
            return
        if not any(text in message.text for text in _EXPECTED):
            self.complaints.append(message.text)
