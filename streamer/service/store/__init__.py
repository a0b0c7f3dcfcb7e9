"""What the service keeps: tables in a database, and files ("blobs") beside it."""
