/* http.h: HTTP clients: a message becomes commands, their replies become a response.
 *
 * The commands of a message run through dispatch() like those of any client, on the client's
 * reactor, and answer in RESP2 into http_client.replies. A message stays unread in its connection
 * until all of them have answered: when one has to wait, or runs elsewhere, the message is given
 * again and goes on behind the commands that are done. So a response is made in one place, with its
 * message at hand; of the message only its commands are kept, so that a body is read once however
 * many of them wait. An answer that is long in the making (/metrics) is made in parts the same way:
 * the message is given again in a later turn, and others have turns between.
 *
 * Messages share nothing but the login: each begins with the user that it names, in its database,
 * and commands that would leave a state behind are refused. A stream of events (SUBSCRIBE,
 * PSUBSCRIBE, MONITOR) is the last message of its connection.
 *
 * Threading: the connection's reactor. Cost: linear in message and replies. */
#pragma once

#include "net/conn.h"
#include "proto/json.h"

struct server_thread;

/* How the replies of the commands become the response. */
enum http_form {
    HTTP_ONE,  /* {"result":…} */
    HTTP_MANY, /* [{"result":…},…] */
    HTTP_EXEC, /* the same of EXEC's reply: the commands stand between MULTI and EXEC */
    HTTP_KV,   /* the value itself */
    HTTP_METRICS,
    HTTP_STREAM
};

struct scrape;

struct http_client {
    struct conn *conn;
    struct http_client *next_turn, **turn_link; /* in the thread's list; link NULL: not in it */
    bool streams;                               /* events, until the connection ends */
    uint32_t done;                              /* commands of the unfinished message … */
    struct json_commands commands;              /* … out of these; none: it was not yet read */
    enum http_form form;
    struct output replies; /* to them, RESP2 */
    int64_t left_ms;       /* of the value that GET gave for /kv, or -1 */
    struct scrape *scrape; /* the answer to /metrics, under way */
    uint64_t lsn;          /* that the response waits for */
    struct buf credential; /* of the user that is logged in; empty: nobody was named */
    int64_t credential_ms; /* monotonic, when it was accepted */
    struct acl_user *own;  /* of its certificate: who it is when a message names nobody; or NULL */
};

/* For a connection of the HTTP port; its owner is the session. NULL may be destroyed. */
struct http_client *http_client_create(struct conn *c);
void http_client_destroy(struct http_client *h);
/* Its certificate says that it is this user. */
void http_client_own(struct http_client *h, struct acl_user *user);

/* In place of dispatch(): requests are messages (http_parse.h). */
uint32_t http_execute(struct conn *c, struct request *requests, uint32_t count, struct output *out);
/* Answers what the parser refused. */
void http_protocol_error(struct conn *c, struct output *out);
/* Gives the next message that does its work in parts again. Outside the gate. */
void http_turn(struct server_thread *t);
/* A reply that comes after its command has left the reactor: write to http_client.replies, and tell
 * what it waits for; the message is then given again. */
void http_answered_later(struct http_client *h, uint64_t lsn);
/* A RESP2 push for a stream: returns the events, a reference; NULL: nothing to send. */
struct blob *http_events(const struct http_client *h, struct slice push);
/* A whole response for who is turned away at the door. */
void http_put_refusal(struct buf *out, int status, const char *error);
