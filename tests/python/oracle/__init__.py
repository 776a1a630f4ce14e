"""What every collective must deliver, computed by numpy, and the cases it is checked on."""
