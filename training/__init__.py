"""Meta-training: task families, worlds, algorithms, export. Never ROS."""
