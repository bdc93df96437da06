"""What a deployment costs a month: the rendered templates priced line by line, from figures in this folder."""
