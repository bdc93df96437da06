"""The traces of this machine: segments as X-Ray's agent takes them, the load balancer's own part, the pages."""
