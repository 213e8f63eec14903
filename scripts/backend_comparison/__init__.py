"""The comparison of bpx's backends: one network, one seed, one order of batches, on each of them."""
