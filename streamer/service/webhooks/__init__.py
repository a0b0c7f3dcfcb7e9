"""Tells other servers by HTTP that a job has ended ("webhooks"), as Standard Webhooks 1.0 describes it."""
