"""What glibc is told in the processes of a service and of the cohort job: keep what an examination frees for the next.

An examination of ten seconds makes and frees some hundred arrays of half a megabyte. By itself glibc gives the pages of
many of them back to the system, which fills them with zeros again for the next ones: 500 page faults a recording, a
tenth of its time (docs/decisions/0070). What is larger than `MALLOC_MMAP_THRESHOLD_` goes back as soon as it is freed.
"""

#: Environment that a process must find when it begins. Another C library reads neither.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}
