"""Commands about the service and its data folder. All need the extra `service`, except to be asked for help."""
