"""Work on other machines, by Celery and Redis: who is told when there is something to do, and who does it."""
