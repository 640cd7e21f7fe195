"""One step of training, on the backend and the devices that are there."""
