"""Workers: each job in a process of its own, which may be taken over by its file and must then harm nothing else."""
