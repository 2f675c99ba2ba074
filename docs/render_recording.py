"""Film a recorded episode: `python docs/render_recording.py SESSION.mcap EPISODE PICTURE.gif`.

The joints and the valve stand as the recording's readings say; nothing is simulated. EPISODE counts
from 0 over the whole recording. Needs the `training` and `robot` extras and an OpenGL that draws
without a screen, as docs/render_claw.py does.
"""

import os
import sys
from itertools import islice
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # read once, when mujoco is imported

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.reader import read_recording

WIDTH, HEIGHT, FRAME_S = 400, 360, 0.15


def frames_of(episode: Episode) -> list[Image.Image]:
    """One picture every `FRAME_S`, with the time and the valve's angle."""
    spec = load_robot_spec()
    model = load_physics_model(spec)
    data = mujoco.MjData(model)
    joints = [model.joint(name).qposadr[0] for name in spec.joint_names]
    valve = model.joint(spec.turned_object).qposadr[0]
    began, due, frames = episode.readings[0].stamp_ns, 0.0, []
    with mujoco.Renderer(model, HEIGHT, WIDTH) as renderer:
        for reading in episode.readings:
            seconds = (reading.stamp_ns - began) * 1e-9
            if seconds < due:
                continue
            due += FRAME_S
            data.qpos[joints] = reading.position_rad
            data.qpos[valve] = reading.object_position_rad
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera="front")
            picture = Image.fromarray(renderer.render())
            degrees = np.rad2deg(float(reading.object_position_rad))
            ImageDraw.Draw(picture).text(
                (8, 8), f"{seconds:4.1f} s  valve {degrees:4.0f} degrees", "black"
            )
            frames.append(picture.quantize(64))
    return frames


if __name__ == "__main__":
    recording, number, target = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    frames = frames_of(next(islice(episodes(read_recording(recording)), number, None)))
    frames[0].save(
        target, save_all=True, append_images=frames[1:], duration=round(1000 * FRAME_S), loop=0
    )
    print(f"{target}: {len(frames)} frames, {target.stat().st_size // 1024} KiB")
