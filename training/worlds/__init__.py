"""Batched simulations behind one protocol."""
