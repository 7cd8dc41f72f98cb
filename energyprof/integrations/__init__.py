"""energyprof inside other tools: trainers, loggers, test runners. Each imports its tool lazily."""
