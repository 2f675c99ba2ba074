"""Meta-training: task families, worlds, algorithms, export. Never ROS."""

import os

# Threads of torch (libgomp) that wait for each other spin for milliseconds by default, which is all
# the processor time that there is where something else keeps a core busy: sampling with two threads
# was thirty times slower then than with one (docs/results/training_speed.md). It is read once, when
# torch is loaded, which every module of this package does later than here.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "3000"
