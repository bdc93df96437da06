"""The three services of the shop, one folder each, and the chassis they are mounted on."""
