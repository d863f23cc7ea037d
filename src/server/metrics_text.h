/* metrics_text.h: INFO's lines in, Prometheus' text format out
 * (prometheus.io/docs/instrumenting/exposition_formats). Pure, any thread; linear in the text. */
#pragma once

#include "base/buf.h"

/* # HELP and # TYPE of the metric whose samples follow. */
void metrics_text_header(struct buf *out, const char *name, const char *type, const char *help);
/* "name{label=\"value\"" without the closing brace. */
void metrics_text_open(struct buf *out, const char *name, const char *label, struct slice value);
/* A label's value: nothing of ours needs escaping but what a client may have put into an error
 * code. */
void metrics_text_label(struct buf *out, struct slice text);
/* The sample's value and the line's end. */
void metrics_text_value(struct buf *out, double value);
void metrics_text_slice(struct buf *out, struct slice text);

/* Takes the line at the front, without its end; false: there is none. */
bool metrics_text_take_line(struct slice *rest, struct slice *line);
/* "name:value"; false: another line. */
bool metrics_text_split(struct slice line, struct slice *name, struct slice *value);
/* "calls=1,usec=2": finds the number of a part. */
bool metrics_text_part(struct slice parts, const char *name, double *out);
/* A token of a RESP2 reply, which is our own, so its form is known: a string, or the text of a line
 * without its type. */
struct slice metrics_text_take_token(struct slice *rest);
/* The same of a number; 0 when it is none. */
int64_t metrics_text_take_count(struct slice *rest);
