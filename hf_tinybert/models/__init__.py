"""The student: configuration, models, and the ways its weights come in and go out."""
