"""The caller's memory: on the host, on a device, and how its axes are laid out."""
