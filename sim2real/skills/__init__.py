"""What the robot is asked to do: observation layout, reward terms, success."""
