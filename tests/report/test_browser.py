"""The page in a real browser: no errors, the table sorts, the claw moves."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sim2real.report.write import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser: none of {', '.join(BROWSERS)} is installed"
)

WATCH = """<script>
const problems = [];
addEventListener("error", (event) => problems.push(String(event.message ?? event.target)), true);
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
console.error = (...words) => problems.push(words.join(" "));
</script>"""
"""before anything of the page runs"""

EXERCISE = """<script>
const found = {};
const table = document.querySelector("table.sortable");
const heads = [...[...table.tHead.rows].at(-1).cells];
const column = (name) => heads.find((head) => head.textContent === name);
const order = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
column("task").firstElementChild.click();
found.byTask = order();
column("target angle").firstElementChild.click();
found.byAngle = order();
column("target angle").firstElementChild.click();
found.byAngleDown = order();
found.sorted = column("target angle").getAttribute("aria-sort");

const saved = [];
URL.createObjectURL = (blob) => { saved.push(blob); return "blob:nothing"; };
HTMLAnchorElement.prototype.click = function () { found.download = this.download; };
const link = document.querySelector("a[data-csv=tasks]");
link.dispatchEvent(new MouseEvent("click", {cancelable: true}));
saved[0].text().then((text) => { found.csv = text; });

const player = document.getElementById("player");
const stage = player.querySelector(".stage");
const tip = () => stage.querySelector(".tip").getAttribute("d");
const slider = player.querySelector(".time");
const show = (value) => {
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
  return tip();
};
found.parts = stage.childElementCount;
found.start = show(0);
found.end = show(1000);
const select = player.querySelector(".task");
select.value = "1";
select.dispatchEvent(new Event("change"));
found.panel = [...document.querySelectorAll("#motion .panel")].map((panel) => panel.hidden);
show(0);
found.before = Number(slider.value);
player.querySelector(".play").click();
found.label = player.querySelector(".play").textContent;
setTimeout(() => {
  found.after = Number(slider.value);
  found.problems = problems;
  const result = document.createElement("pre");
  result.id = "found";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
}, 400);
</script>"""


@pytest.fixture
def found(evaluation, tmp_path) -> dict[str, Any]:
    """What a browser found when it used the page."""
    text = write_report(evaluation).read_text(encoding="utf-8")
    text = text.replace("<style>", WATCH + "<style>", 1)
    text = text.replace("</body>", EXERCISE + "</body>", 1)
    page = evaluation / "watched.html"
    page.write_text(text, encoding="utf-8")
    dom = dump_dom(page, tmp_path / "profile")
    match = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert match, dom[-2000:]
    return json.loads(html.unescape(match[1]))


def dump_dom(page: Path, profile: Path) -> str:
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        "--window-size=1280,900",
        "--virtual-time-budget=4000",
        "--dump-dom",
        page.as_uri(),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return run.stdout


def test_the_page_works_in_a_browser(found):
    assert found["problems"] == []

    assert found["byTask"] == ["test/0", "test/1", "test/10"]
    assert found["byAngle"] == ["test/0", "test/1", "test/10"]
    assert found["byAngleDown"] == ["test/10", "test/1", "test/0"]
    assert found["sorted"] == "descending"

    assert found["download"] == "tasks.csv"
    assert found["csv"].startswith("task,target_angle,servo_stiffness,trial,episode")

    assert found["parts"] > 15
    assert found["start"] != found["end"]
    assert found["panel"] == [True, False, True]
    assert found["label"] == "Pause"
    assert found["before"] == 0 and found["after"] > 0
