"""Deliberate bugs in the models, and the proof that the lifecycle tests see each of them."""
