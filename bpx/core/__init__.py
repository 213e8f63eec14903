"""What computes: layers, a loss and their arrays; one pass, one step, one evaluation. Nothing here loops or listens."""
