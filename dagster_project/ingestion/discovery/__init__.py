"""A look at unknown exports, and the configuration that reads them."""
