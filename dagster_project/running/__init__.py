"""A run: planned, executed, audited, published and recorded. Knows no assets."""
