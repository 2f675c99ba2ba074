"""Film a recorded episode: `python docs/render_recording.py SESSION.mcap EPISODE PICTURE.gif`.

The joints and the valve stand as the recording's readings say; nothing is simulated. EPISODE counts
from 0 over the whole recording. Needs the `training` and `robot` extras and an OpenGL that draws
without a screen, as docs/render_claw.py does.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from render_emulated import render, save

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.reader import read_recording

FRAME_S = 0.15


def frames_of(episode: Episode) -> list[Image.Image]:
    """One picture every `FRAME_S`, with the time and the valve's angle."""
    spec = load_robot_spec()
    model = load_physics_model(spec)
    joints = [model.joint(name).qposadr[0] for name in spec.joint_names]
    valve = model.joint(spec.turned_object).qposadr[0]
    began, positions, captions = episode.readings[0].stamp_ns, [], []
    for reading in episode.readings:
        seconds = (reading.stamp_ns - began) * 1e-9
        if seconds >= FRAME_S * len(positions):
            position = model.qpos0.copy()
            position[joints], position[valve] = reading.position_rad, reading.object_position_rad
            positions.append(position)
            degrees = np.rad2deg(float(reading.object_position_rad))
            captions.append(f"{seconds:4.1f} s  valve {degrees:4.0f} degrees")
    frames = render(model, positions)
    for frame, caption in zip(frames, captions, strict=True):
        ImageDraw.Draw(frame).text((8, 8), caption, "black")
    return frames


if __name__ == "__main__":
    recording, number, target = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    save(
        frames_of(next(islice(episodes(read_recording(recording)), number, None))), target, FRAME_S
    )
