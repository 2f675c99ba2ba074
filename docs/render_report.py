"""Draw the pictures of a report, `python docs/render_report.py FOLDER/report.html`, or of the page
of the suite `points`, FOLDER/page.html.

Needs Chromium (Debian: chromium) and the `training` extra (its Pillow).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

IMAGES = Path(__file__).resolve().parent / "images"
COLOURS = 128
"""enough for flat figures, and a third of the bytes"""

WIDE = "document.querySelector('main').style.maxWidth = 'none'"
"""a picture cannot be scrolled"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One part of the page."""

    name: str
    parts: tuple[str, ...]
    """selectors of what is shown"""
    width: int = 1160
    is_dark: bool = False
    script: str = ""


PICTURES = (
    Picture(name="report", parts=("header", "#adaptation-section")),
    Picture(name="report-beliefs", parts=("#belief-section",)),
    Picture(name="report-tasks", parts=("#tasks-section",)),
    Picture(name="report-gap", parts=("#gap-section",)),
    Picture(
        name="report-motion",
        parts=("#motion-section",),
        is_dark=True,
        script="const time = document.querySelector('.time'); time.value = 1000; "
        "time.dispatchEvent(new Event('input'));",
    ),
    Picture(name="report-phone", parts=("header", "#adaptation-section"), width=390),
    Picture(name="benchmark-gridworld", parts=("#gridworld",), width=1900, script=WIDE),
    Picture(name="benchmark-point", parts=("#point_robot",), width=1900, script=WIDE),
    Picture(name="benchmark-half-circle", parts=("#sparse_point_robot",), width=1900, script=WIDE),
)


def render_report(page: Path) -> None:
    """Write every picture of which the page has the parts."""
    text = page.read_text(encoding="utf-8")
    for picture in PICTURES:
        if all(f'id="{part[1:]}"' in text for part in picture.parts if part.startswith("#")):
            target = IMAGES / f"{picture.name}.png"
            _write(_screenshot(text, picture), target)
            print(f"{target.relative_to(IMAGES.parents[1])}  {target.stat().st_size // 1024} kB")


def _screenshot(text: str, picture: Picture) -> Image.Image:
    shown = "".join(f":not({part})" for part in picture.parts)
    style = f"<style>main > *{shown} {{ display: none; }}"
    style += "" if "header" in picture.parts else " section { margin: 0; padding: 0; border: 0; }"
    style += "</style>"
    # Browsers refuse windows as narrow as a phone, but not frames.
    frame = f'<body style="margin:0"><iframe src="page.html" style="width:{picture.width}px;'
    frame += 'height:4000px;border:0"></iframe>'
    with tempfile.TemporaryDirectory() as folder:
        script = f"<script>{picture.script}</script>"
        body = text.replace("</head>", f"{style}</head>").replace("</body>", f"{script}</body>")
        (Path(folder) / "page.html").write_text(body, encoding="utf-8")
        (Path(folder) / "frame.html").write_text(frame, encoding="utf-8")
        _browse(Path(folder), is_dark=picture.is_dark)
        image = Image.open(Path(folder) / "shot.png").convert("RGB")
    return _trimmed(image.crop((0, 0, round(picture.width * 1.25), image.height)))


def _browse(folder: Path, *, is_dark: bool) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        sys.exit("no chromium here")
    command = [
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
        *("--window-size=1940,4000", "--force-device-scale-factor=1.25"),
        *("--virtual-time-budget=2000", f"--screenshot={folder / 'shot.png'}"),
        (folder / "frame.html").as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _trimmed(image: Image.Image) -> Image.Image:
    """Without the empty rest below."""
    blank = Image.new("RGB", image.size, image.getpixel((2, image.height - 2)))
    box = ImageChops.difference(image, blank).getbbox()
    bottom = image.height if box is None else min(box[3] + 24, image.height)
    return image.crop((0, 0, image.width, bottom))


def _write(image: Image.Image, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".part")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(beside, format="png", optimize=True)
    beside.replace(target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    render_report(Path(sys.argv[1]))
