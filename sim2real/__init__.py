"""What runs on the robot: contract, skills, runtime, hardware, emulator. Never torch."""
