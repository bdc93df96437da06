"""What the operations app does, as plain modules: nothing here knows Chalice, and nothing happens on import."""
