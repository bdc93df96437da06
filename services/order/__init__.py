"""Orders: placed by a protocol that neither oversells nor loses one, then shipped, cancelled or refunded."""
