"""AWS Lambda as the twin needs it: sandboxes that run the built zips, and the two APIs around them."""
