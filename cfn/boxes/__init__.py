"""One module per box of the diagram. A box never asks which environment it is in, nor which stack."""
