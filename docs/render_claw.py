"""Draw the README's picture of the simulated claw: `python docs/render_claw.py`.

Needs the `training` extra and an OpenGL that draws without a screen: EGL, or OSMesa with
MUJOCO_GL=osmesa (Debian: libegl1, libosmesa6).
"""

import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # read once, when mujoco is imported

import matplotlib.image
import mujoco

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 800, 720


def render_claw(picture: Path) -> None:
    """Write the claw at home over its valve, as the model's camera `front` sees it."""
    claw = mujoco.MjModel.from_xml_path(str(REPOSITORY / "hardware_configs/dclaw/model.xml"))
    data = mujoco.MjData(claw)
    mujoco.mj_resetDataKeyframe(claw, data, claw.key("home").id)
    mujoco.mj_forward(claw, data)
    with mujoco.Renderer(claw, HEIGHT, WIDTH) as renderer:
        renderer.update_scene(data, camera="front")
        pixels = renderer.render()
    picture.parent.mkdir(parents=True, exist_ok=True)
    beside = picture.with_name(picture.name + ".part")
    matplotlib.image.imsave(beside, pixels, format="png")
    beside.replace(picture)


if __name__ == "__main__":
    target = REPOSITORY / "docs" / "images" / "claw.png"
    render_claw(target)
    print(target.relative_to(REPOSITORY))
