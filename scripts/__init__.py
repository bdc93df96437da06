"""The commands of the repository: one module per verb, reached through `scripts/tandem VERB`."""
