"""A stand-in for the Application Load Balancer: its rules, weights, headers, health checks and errors, on a laptop.

Written after the user guide of Application Load Balancers; where that is silent, a comment says what was chosen.
"""
