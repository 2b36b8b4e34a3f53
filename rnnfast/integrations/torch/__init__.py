"""PyTorch: recurrent layers of existing models run by rnnfast, and modules that have what PyTorch's lack."""
