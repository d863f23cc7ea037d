/* request_internal.h: what the codecs' parsers share. */
#pragma once

#include "proto/request.h"

enum parse_result resp_parse(struct parser *p, const char *data, size_t len,
                             struct request_arena *arena, struct request *out);
enum parse_result frame_parse(struct parser *p, const char *data, size_t len,
                              struct request_arena *arena, struct request *out);

enum parse_result http_parse(struct parser *p, const char *data, size_t len,
                             struct request_arena *arena, struct request *out);

struct parse_pending *parser_pending(struct parser *p); /* creates it when there is none */
void parser_drop_pending(struct parser *p);
/* Appends an argument to the pending request. */
void pending_push(struct parse_pending *q, struct slice arg);
enum parse_result parser_fail(struct parser *p, const char *format, ...) PRINTF_LIKE(2, 3);
