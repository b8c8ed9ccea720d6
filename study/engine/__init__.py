"""Running a study on Ray, and a trial without it."""
