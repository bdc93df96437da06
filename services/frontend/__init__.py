"""What people and their programs talk to: the gateway to the services behind it. It owns no data."""
