"""Test benches: bundles on hands, simulated, emulated or real."""
