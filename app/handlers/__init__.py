"""What answers: the ready-made handlers, one small file each, and how the user's own are found."""
