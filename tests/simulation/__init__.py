"""The simulation of a CRM export, and the committed sample that it made."""
