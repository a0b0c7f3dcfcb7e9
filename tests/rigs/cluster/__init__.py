"""A model of gateways and workers, what it is fed with, and what it is compared with."""
