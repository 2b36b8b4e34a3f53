"""Who computes: the contract, the choice, threads, and a folder for each backend."""
