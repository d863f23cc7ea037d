/* oom_score.h: oom-score-adj: how early the kernel ends this process when memory runs out
 * (/proc/self/oom_score_adj; proc(5)). Only the value for a primary is used: there are no child
 * processes, and no replicas yet. At start and by CONFIG SET, alone. */
#pragma once

#include "base/err.h"

/* Writes what the directives say; "no" puts back what was there before. ERR_SYS: the kernel
 * refused; it was logged, and nothing has changed. */
enum err oom_score_apply(void) MUST_USE;
