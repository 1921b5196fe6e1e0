"""Makes docs/report.png, the picture in the README: the report of a run of one suite and a wrong test.

python docs/report_picture.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
SUITE = "test_reviews_80_20"
WRONG = '''
from meshtest import GET, split


def test_canary_takes_half(mesh, ingress):
    """The canary takes half of the reviews."""
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=50, v2=50), causes=True)
'''


def run(folder: Path) -> Path:
    """The page of a run there."""
    tests = folder / "shop"
    tests.mkdir()
    for suffix in (".py", ".yaml"):
        shutil.copy(ROOT / "suites" / "bookinfo" / f"{SUITE}{suffix}", tests)
    shutil.copy(ROOT / "suites" / "bookinfo" / f"{SUITE}.yaml", tests / "canary.yaml")
    (tests / "test_canary.py").write_text(WRONG)
    subprocess.run([sys.executable, "-m", "pytest", "shop", "-k", "canary or split"], cwd=folder, check=False)
    return folder / "reports" / "index.html"


def main() -> None:
    """Take the picture, in light colours; by the system's Chromium, or else Playwright's."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = run(Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1440, "height": 1640}, color_scheme="light")
        window.goto(page.as_uri())
        window.screenshot(path=ROOT / "docs" / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
