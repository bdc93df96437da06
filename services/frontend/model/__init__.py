"""What a visitor holds and asks for: a cart, an offer at the checkout, a search. Plain values."""
