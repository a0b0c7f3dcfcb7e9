"""What the service's HTTP routes share: who asks, what was sent, how files and errors are answered."""
