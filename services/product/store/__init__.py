"""The only SQL of the product service: one function per statement, the connection first."""
