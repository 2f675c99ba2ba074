"""Task families: distributions of dynamics and goals."""
