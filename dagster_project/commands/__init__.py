"""What people type: one module per command of ``handoff``."""
