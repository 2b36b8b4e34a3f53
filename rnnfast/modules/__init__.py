"""Classes that a user types: RNN, LSTM, GRU, step cells, frozen nets, streams, tapes."""
