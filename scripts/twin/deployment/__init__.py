"""What the templates say, as plain values: the twin runs these and has no second description of anything."""
