"""Pure functions on tensors: densities, divergences and adversarial losses."""
