/* The description that /openapi.json gives (spec.openapis.org, 3.1). */
#include "server/http_internal.h"

#define ANSWERS                                                                               \
    "\"responses\":{\"200\":{\"description\":\"Reply\"},\"400\":{\"description\":\"Error\"}," \
    "\"401\":{\"description\":\"Who are you?\"}}"
#define KEY   "{\"name\":\"key\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}"
#define DB    "{\"name\":\"db\",\"in\":\"query\",\"schema\":{\"type\":\"integer\"}}"
#define MATCH "{\"name\":\"If-Match\",\"in\":\"header\",\"schema\":{\"type\":\"string\"}}"
#define NONE  "{\"name\":\"If-None-Match\",\"in\":\"header\",\"schema\":{\"type\":\"string\"}}"
#define TTL                                                                                \
    "{\"name\":\"ttl\",\"in\":\"query\",\"description\":\"seconds\",\"schema\":{\"type\":" \
    "\"integer\"}}"
#define PX                                                                                     \
    "{\"name\":\"px\",\"in\":\"query\",\"description\":\"milliseconds\",\"schema\":{\"type\":" \
    "\"integer\"}}"
#define BYTES "\"content\":{\"application/octet-stream\":{}}"
#define PATH(name, in)                                                                          \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}" \
    "}" in

const char http_openapi[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Tokamak\",\"version\":\"1\"},"
    "\"security\":[{\"bearer\":[]},{\"basic\":[]}],"
    "\"components\":{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\","
    "\"description\":\"user:password, or the password of the user default\"},"
    "\"basic\":{\"type\":\"http\",\"scheme\":\"basic\"}}},\"paths\":{"
    "\"/\":{\"post\":{\"summary\":\"One command, a JSON array\"," ANSWERS "}},"
    "\"/pipeline\":{\"post\":{\"summary\":\"Commands, an array of arrays\"," ANSWERS "}},"
    "\"/multi-exec\":{\"post\":{\"summary\":\"The same as one transaction\"," ANSWERS "}},"
    "\"/{command}/{arguments}\":{\"get\":{\"summary\":\"One command in the "
    "path\",\"parameters\":[" PATH("command", ",") PATH(
        "arguments",
        "") "]," ANSWERS "}},"
            "\"/kv/{key}\":{\"parameters\":[" KEY "," DB "],"
            "\"get\":{\"summary\":\"The value; ETag, X-TTL\",\"parameters\":[" NONE
            "],\"responses\":{"
            "\"200\":{\"description\":\"Value\"," BYTES "},\"304\":{\"description\":\"Unchanged\"},"
            "\"404\":{\"description\":\"No such key\"},\"409\":{\"description\":\"Not a "
            "string\"}}},"
            "\"put\":{\"summary\":\"Sets the value\",\"parameters\":[" TTL "," PX "," MATCH "," NONE
            "],"
            "\"requestBody\":{" BYTES "},\"responses\":{\"204\":{\"description\":\"Set\"},"
            "\"412\":{\"description\":\"The condition does not hold\"}}},"
            "\"delete\":{\"summary\":\"Deletes the key\",\"parameters\":[" MATCH "],\"responses\":{"
            "\"204\":{\"description\":\"Deleted\"},\"404\":{\"description\":\"No such key\"},"
            "\"412\":{\"description\":\"The condition does not hold\"}}}},"
            "\"/subscribe/{channel}\":{\"get\":{\"summary\":\"Server-sent events of a "
            "channel\",\"parameters\":[" PATH(
                "channel", "") "]," ANSWERS "}},"
                               "\"/psubscribe/{pattern}\":{\"get\":{\"summary\":\"The same of a "
                               "pattern\",\"parameters\":[" PATH(
                                   "pattern",
                                   "") "]," ANSWERS "}},"
                                       "\"/monitor\":{\"get\":{\"summary\":\"Server-sent events of "
                                       "all commands\"," ANSWERS "}},"
                                       "\"/metrics\":{\"get\":{\"summary\":\"Prometheus\"," ANSWERS
                                       "}},"
                                       "\"/healthz\":{\"get\":{\"summary\":\"It "
                                       "runs\",\"security\":[]," ANSWERS "}},"
                                       "\"/readyz\":{\"get\":{\"summary\":\"It has loaded its "
                                       "data\",\"security\":[],\"responses\":{"
                                       "\"200\":{\"description\":\"Ready\"},\"503\":{"
                                       "\"description\":\"Loading or stopping\"}}}}}}";
