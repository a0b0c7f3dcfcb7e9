"""A log of who did what to which file, in which every change, loss and cut can be found."""
