"""Builds the workspace with colcon, against a sourced ROS 2 or against the wheels of it.

Run by `make setup` with the virtual environment's Python, which then finds the packages and their
libraries with nothing sourced. The build is linked to the sources: an edited Python file of a node
takes effect without building again.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parent
PREFIX = Path(sys.prefix)
COLCON = [
    *(sys.executable, "-m", "colcon", "build", "--merge-install", "--symlink-install"),
    *("--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}"),
    *("-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
]


def main() -> int:
    """Build, and say in one line why not."""
    missing = [name for name in ("rclpy", "colcon") if importlib.util.find_spec(name) is None]
    missing += [name for name in ("cmake", "c++") if shutil.which(name) is None]
    if missing:
        print(f"ros_ws: not built, for want of {', '.join(missing)}; all else works without it")
        return 0
    environment = dict(os.environ)
    if (PREFIX / "share" / "rclpy").exists():
        relocate_exported_paths(PREFIX / "share")
        environment |= {"AMENT_PREFIX_PATH": str(PREFIX), "CMAKE_PREFIX_PATH": str(PREFIX)}
    if subprocess.run(COLCON, cwd=WORKSPACE, env=environment).returncode:
        print(f"ros_ws: the build failed; its log is {WORKSPACE / 'log' / 'latest_build'}")
        return 1
    write_path_file(WORKSPACE / "install", Path(sysconfig.get_path("purelib")))
    return 0


def relocate_exported_paths(share: Path) -> None:
    """Let the wheels' CMake files name this Python instead of the one that built them."""
    here = {
        r"/opt/python/[^/]+/include/python[\d.]+": sysconfig.get_path("include"),
        r"/opt/python/[^/]+/lib/python[\d.]+/site-packages": sysconfig.get_path("purelib"),
    }
    for file in share.glob("*/cmake/*.cmake"):
        text = found = file.read_text()
        for pattern, path in here.items():
            text = re.sub(pattern, path, text)
        if text != found:
            file.write_text(text)


def write_path_file(install: Path, site_packages: Path) -> None:
    """Let every Python of this environment find the workspace's packages and libraries.

    The wheels start Python once more for the sake of LD_LIBRARY_PATH. Path files are read in the
    order of their names, and this one's is before theirs: their restart serves both.
    """
    folders = [next(install.glob("lib/python3*/site-packages"))]
    # A linked Python package leaves a file there that names its folder in build/.
    links = sorted(folders[0].glob("*.egg-link"))
    folders += [Path(link.read_text().splitlines()[0]) for link in links]
    extend = (
        "import os; '_ROS_WHEELS_BOOTSTRAP_COMPLETE' in os.environ or os.environ.update("
        f"LD_LIBRARY_PATH=os.pathsep.join(filter(None, [{str(install / 'lib')!r}, "
        "os.environ.get('LD_LIBRARY_PATH')])))"
    )
    lines = [*map(str, folders), extend]
    path_file = site_packages / "_taskbelief_ros_ws.pth"
    path_file.with_suffix(".new").write_text("\n".join(lines) + "\n")
    path_file.with_suffix(".new").replace(path_file)


if __name__ == "__main__":
    sys.exit(main())
