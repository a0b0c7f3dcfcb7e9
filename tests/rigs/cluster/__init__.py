"""Real servers that a cluster is made of, which tests may stop and kill; and a model of gateways and workers."""
