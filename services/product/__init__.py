"""The product service: owns the catalogue and the stock, and decides about every unit sold."""
