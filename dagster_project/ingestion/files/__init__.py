"""CRM exports as files."""
