"""ECG-FM: the network, its weights and the engines that run it."""
