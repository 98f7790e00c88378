"""Lightning callbacks: evaluation, records, exact resume."""
