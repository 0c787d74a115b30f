"""The data model, the worker process and running models: numpy and torch, never Qt."""
