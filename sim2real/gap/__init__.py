"""The gap between two robots, or a robot and its simulation, measured from their recordings."""
