/* forks.h - whether a process is a copy of another that may have had more threads. */
#ifndef RF_FORKS_H
#define RF_FORKS_H

/* 1 where this process came from a fork and has not become another program since; 0: it has, or the system does not say. */
int rf_forked(void);

#endif
