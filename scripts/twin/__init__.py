"""The local twin of the deployment: PostgreSQL, the load balancer and the processes, on one machine."""
