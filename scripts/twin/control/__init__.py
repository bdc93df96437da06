"""The control plane of the twin: what AWS's API and console are to the real thing. For this machine only."""
