"""What the product service does: each use case opens its own connection or transaction and raises facts."""
