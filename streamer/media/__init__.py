"""What files and live streams share: containers, pictures, time stamps, damage."""
