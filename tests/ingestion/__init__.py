"""Tests of the readers, against real files and a real warehouse."""
