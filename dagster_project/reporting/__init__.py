"""What people read of a build: the run summary, one lead's story, a comparison."""
