"""The maths that algorithms share: networks, encoders, replay, rollouts, losses."""
