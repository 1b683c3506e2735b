"""The semantics of the lifecycle: a reference reading, and the models held against it."""
