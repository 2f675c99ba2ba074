"""One protocol for every algorithm: what an adapted policy is worth on tasks held out."""
