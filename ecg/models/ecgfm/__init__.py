"""ECG-FM: its network, checkpoints, preparation and labels."""
