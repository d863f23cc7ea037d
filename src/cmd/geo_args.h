/* geo_args.h: what the geo commands' files share: positions, units, distances. Called from
 * handlers; false means that the error has been answered. */
#pragma once

#include "cmd/exec.h"
#include "store/geo_search.h"

/* Longitude and latitude, at arguments `at` and `at` + 1. */
bool geo_arg_point(struct exec *ex, uint32_t at, struct geo_point *out) MUST_USE;
/* A unit of length, in metres. */
bool geo_arg_unit(struct exec *ex, uint32_t at, double *out) MUST_USE;
/* A distance as people want to read it: four digits behind the point. */
void geo_reply_distance(struct exec *ex, double distance);
void geo_reply_point(struct exec *ex, struct geo_point p);
