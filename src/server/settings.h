/* settings.h: the directives that only the top layer reads.
 *
 * One global instance, owned by server/config; strings and lists belong to it and change under
 * CONFIG SET. Written at start and by CONFIG SET, which runs in exclusive mode with all gates
 * closed. Code inside a gate, and apply hooks, read plain fields; a field read outside the gates is
 * _Atomic. A string or list is never read outside the gates: its apply hook hands a copy to whoever
 * needs it there. */
#pragma once

#include "base/slice.h"

enum exec_mode {
    EXEC_STRIPED,
    EXEC_EXCLUSIVE
};

enum poller_kind {
    POLLER_AUTO,
    POLLER_EPOLL,
    POLLER_POLL
};

enum protected_action {
    PROTECTED_NO,
    PROTECTED_YES,
    PROTECTED_LOCAL
};

enum fsync_mode {
    FSYNC_NO,
    FSYNC_EVERYSEC,
    FSYNC_ALWAYS
};

enum shutdown_option {
    SHUTDOWN_DEFAULT = 0,
    SHUTDOWN_SAVE = 1 << 0,
    SHUTDOWN_NOSAVE = 1 << 1,
    SHUTDOWN_NOW = 1 << 2,
    SHUTDOWN_FORCE = 1 << 3,
};

struct string_list {
    char **items;
    int count;
};

struct save_point {
    int64_t seconds;
    int64_t changes;
};

struct server_settings {
    int io_threads; /* 0: one per core */
    int worker_threads;
    _Atomic enum exec_mode exec_mode;
    uint64_t slow_command_threshold; /* elements; 0: never */
    enum poller_kind poller;
    int port, frame_port, http_port; /* 0: no such listener */
    int tls_port, http_tls_port;
    bool http_console;        /* never changes either */
    char *http_allowed_hosts; /* never changes: read outside the gates */
    struct string_list bind;  /* a leading '-' means "may be missing" */
    _Atomic bool proxy_protocol;
    char *tls_cert_file, *tls_key_file, *tls_key_file_pass, *tls_ca_cert_file, *tls_ca_cert_dir;
    char *tls_dh_params_file, *tls_protocols, *tls_ciphers, *tls_ciphersuites;
    int tls_auth_clients;               /* enum tls_verify */
    _Atomic bool tls_auth_clients_user; /* the certificate's common name is the client's user */
    char *tls_client_cert_file, *tls_client_key_file, *tls_client_key_file_pass;
    bool tls_cluster; /* MIGRATE speaks TLS */
    bool tls_prefer_server_ciphers, tls_session_caching;
    int tls_session_cache_size, tls_session_cache_timeout_s;
    _Atomic bool protected_mode;
    char *unixsocket; /* "" : none; so for all strings */
    unsigned unixsocketperm;
    int supervised; /* enum supervise_mode */
    bool daemonize, cluster_enabled;
    char *pidfile, *logfile;
    int loglevel;                         /* enum log_level */
    int log_format, log_timestamp_format; /* enums of base/log_format.h */
    bool crash_log_enabled;
    int watchdog_period_ms; /* 0: off */
    _Atomic int hz;
    _Atomic unsigned shutdown_on_sigint, shutdown_on_sigterm; /* enum shutdown_option, OR-ed */
    struct slice requirepass;                                 /* any bytes */
    char *aclfile;
    char *debug_effects_file;
    _Atomic int64_t acllog_max_len;
    bool acl_pubsub_default; /* new users may use all channels */
    enum protected_action enable_protected_configs, enable_debug_command, enable_module_command;
    _Atomic int64_t busy_reply_threshold_ms;
    /* < 0: never; lengths 0: nothing is kept */
    _Atomic int64_t slowlog_log_slower_than_us;
    _Atomic int64_t commandlog_request_larger_than, commandlog_reply_larger_than; /* bytes */
    _Atomic size_t slowlog_max_len, commandlog_large_request_max_len,
        commandlog_large_reply_max_len;
    _Atomic int64_t latency_monitor_threshold_ms; /* 0: off */
    size_t tracking_table_max_keys;               /* 0: no limit */

    _Atomic bool stop_writes_on_bgsave_error;
    _Atomic int min_replicas_to_write, min_replicas_max_lag_s; /* one of them 0: off */
    bool rdb_checksum, rdb_save_incremental_fsync;
    int rdb_version;
    _Atomic int rdb_key_save_delay_us, key_load_delay_us; /* tests */
    char *dbfilename, *appendfilename, *appenddirname;
    bool appendonly, aof_load_truncated, aof_use_rdb_preamble, aof_rewrite_incremental_fsync;
    bool aof_disable_auto_gc, aof_timestamp_enabled;
    _Atomic bool no_appendfsync_on_rewrite;
    _Atomic int auto_aof_rewrite_percentage;
    _Atomic int64_t auto_aof_rewrite_min_bytes;
    enum fsync_mode appendfsync;
    struct save_point *save_points;
    size_t save_point_count;

    char *primary_host; /* replicaof; "": none */
    int primary_port;
    int oom_score_mode;      /* 0: leave it alone, 1: relative, 2: absolute */
    int oom_score_values[3]; /* primary, replica, child */
    _Atomic bool latency_tracking;
    double *percentiles; /* that INFO latencystats shows; changed in exclusive mode */
    size_t percentile_count;
};

extern struct server_settings server_settings;
