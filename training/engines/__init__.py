"""Many trainings, run by the processes of this machine, by Slurm or by Ray."""
