"""Damaged files, made from good ones by seeded chance, and a judge of what `veilcast file` does with them."""
