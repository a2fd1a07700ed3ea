#!/bin/sh
# A Slurm job array of workers for one search. The trials are in a PostgreSQL database that all nodes reach:
#
#   export FMNISTNN_STORAGE=postgresql://search@db.example.org/search
#   sbatch --array=1-20 --cpus-per-task=4 examples/slurm.sh examples/search.lua --trials 500
#
# The words after the name of this file are those of fmnistnn-worker: a script and its arguments. Tasks may begin and
# end as Slurm likes: each takes the next trial, until there are none left. Ten minutes before its time is over a task
# is told to leave when its trial is done; a trial that is cut off all the same is taken over by another.
#SBATCH --job-name=search
#SBATCH --output=search-%A-%a.log
#SBATCH --time=4:00:00
#SBATCH --signal=B:INT@600

PATH=$PWD/bin:$PATH # in a clone; else where LuaRocks has put it
exec fmnistnn-worker --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
