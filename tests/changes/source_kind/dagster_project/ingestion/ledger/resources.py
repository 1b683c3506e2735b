"""What is read of a ledger."""

TABLES: dict[str, tuple[str, ...]] = {
    "ledger_people": ("source_system", "load_id", "source_row", "person", "since", "stage")
}
