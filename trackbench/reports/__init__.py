"""Reports: tables and plots of scores. They read scores, never the files of runs."""
