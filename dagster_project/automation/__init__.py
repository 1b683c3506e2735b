"""What starts runs and looks after them: the job, schedule, sensors and freshness."""
