"""The infrastructure as code: plain values first, templates from them. Nothing in here calls AWS."""
