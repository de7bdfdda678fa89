"""The model, the threads it runs on, and who may wait for them."""
