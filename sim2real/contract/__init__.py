"""The one definition, shared by training and robot, of what a policy sees and does."""
