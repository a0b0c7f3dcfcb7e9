"""Several gateways at once on one database and one bucket."""
