"""What the work runs on: devices and precisions, running out of memory, several processes."""
