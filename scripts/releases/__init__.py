"""A release on its way into an account: what is wanted, what runs, the difference, and the steps between them."""
