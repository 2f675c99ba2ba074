"""Other people's policies, played by our protocol on our tasks."""
