"""Tests of the expectations: every check fails when its data is broken, and only then."""
