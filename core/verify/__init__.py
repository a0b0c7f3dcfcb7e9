"""What of a face still shows in a masked copy, and which decisions a person should look at. No I/O."""
