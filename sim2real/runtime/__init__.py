"""What runs at control rate: bundle, graphs, belief, evidence gate, controller, trace."""
