"""Tasks as data: one draw of dynamics and goal, and the saved, hashed, split set of draws."""
