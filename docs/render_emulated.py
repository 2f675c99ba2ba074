"""Film the emulated claw under the real driver: `python docs/render_emulated.py`.

Every frame went the long way: gait → driver → bytes on a pseudo-terminal → emulated servos →
MuJoCo; nothing but the picture is taken from the physics directly. Needs the `training` and
`robot` extras and an OpenGL that draws without a screen, as docs/render_claw.py does.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # read once, when mujoco is imported

import mujoco
import numpy as np
from PIL import Image

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot
from training.worlds.scripted_gait import turning_gait

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 400, 360
PERIOD_S, SECONDS, TICKS_PER_FRAME = 0.05, 5.0, 3
# A machine that also draws may not run the emulator for some milliseconds.
CONFIG = DriverConfig(timing=BusTiming(turnaround_s=0.03), tick_tolerance_s=0.02)


def drive(bus: EmulatedBus) -> list[np.ndarray]:
    """Turn the valve with the gait through the driver; the physics' positions, one per frame."""
    positions = []
    with DynamixelRobot.on_serial(bus.port, bus.spec, "emulated", CONFIG) as robot:
        robot.activate()
        start = robot.read().object_position_rad
        began = time.monotonic()
        for tick, target in enumerate(turning_gait(round(SECONDS / PERIOD_S))):
            time.sleep(max(0.0, began + tick * PERIOD_S - time.monotonic()))
            reading = robot.read()
            robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=target))
            if tick % TICKS_PER_FRAME == 0:
                positions.append(bus.line.plant.data.qpos.copy())
        turned = float(robot.read().object_position_rad - start)
    print(f"the valve's servo reports {turned:.2f} rad after {SECONDS} s (emulated bus)")
    return positions


def render(model: mujoco.MjModel, positions: list[np.ndarray]) -> list[Image.Image]:
    """One picture per row of positions."""
    data = mujoco.MjData(model)
    frames = []
    with mujoco.Renderer(model, HEIGHT, WIDTH) as renderer:
        for position in positions:
            data.qpos[:] = position
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera="front")
            frames.append(Image.fromarray(renderer.render()))
    return frames


def save(frames: list[Image.Image], target: Path, frame_s: float) -> None:
    """As a GIF that goes round."""
    first, *others = (frame.quantize(64) for frame in frames)
    first.save(target, save_all=True, append_images=others, duration=round(1000 * frame_s), loop=0)
    print(f"{target}: {len(frames)} frames, {target.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    with EmulatedBus(load_robot_spec()) as emulated:
        frames = render(emulated.line.plant.model, drive(emulated))
    save(frames, REPOSITORY / "docs" / "images" / "emulated_claw.gif", PERIOD_S * TICKS_PER_FRAME)
