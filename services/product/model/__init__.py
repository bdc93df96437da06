"""Rules of the catalogue and the stock, without input or output."""
