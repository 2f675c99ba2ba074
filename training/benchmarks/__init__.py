"""What prints figures of speed as JSON lines."""
