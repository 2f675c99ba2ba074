"""A hand of Dynamixel servos on a serial bus, from bytes to joint angles."""
